import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.serving import free_port
from tests.repo.checkout import BUILT_STEPS, ROOT, STEPS, copy, inside, section

SERVE_AND_ASK = """
import os, subprocess, sys
from pathlib import Path
from {client} import Client
settings = os.environ | {{"MODEL": "efficientnet_lite0"}}
server = subprocess.Popen([sys.executable, "-m", "{server}"], env=settings, stdout=subprocess.DEVNULL)
try:
    client = Client("http://127.0.0.1:" + settings["PORT"], tries=12)
    print(client.classify(Path("shared/samples/cat.jpg"))["predictions"][0])
finally:
    server.terminate()
    sys.exit(server.wait())
"""

READ_COMPOSE = """
import os, subprocess, sys
from pathlib import Path
from step4_docker.container_images.passwords import make_passwords
make_passwords()
program = str(Path(sys.executable).parent / "docker-compose")
command = [program, "-f", "step4_docker/compose.yaml", "--profile", "*", "config"]
sys.exit(subprocess.run(command, env=os.environ | {"TAG": "0123456789ab"}).returncode)
"""

PLAN_TO_DEPLOY = """
import json
from pathlib import Path
from step5_orchestration.deploy.__main__ import main
names = ("frontend", "gateway", "worker", "recommender")
images = {name: f"registry.example/{name}@sha256:{'0' * 64}" for name in names}
Path("pushed.json").write_text(json.dumps({"revision": "0123456789ab", "images": images}))
raise SystemExit(main("eb bundle --images pushed.json --output bundle".split()) or main("spark plan --on emr".split()))
"""

# What a step must still do once copied away: the arguments to python, and a pattern for what it prints.
SMOKE = {
    "step1_script": (
        ["-m", "step1_script.classify", "--model", "efficientnet_lite0", "shared/samples/cat.jpg"],
        "tabby|Egyptian cat",
    ),
    "step2_webapp": (
        ["-c", SERVE_AND_ASK.format(client="step2_webapp.client", server="step2_webapp.serve")],
        "tabby|Egyptian cat",
    ),
    "step3_microservices": (
        ["-c", SERVE_AND_ASK.format(client="step3_microservices.gateway.client", server="step3_microservices.run")],
        "tabby|Egyptian cat",
    ),
    # Whether it runs is shown in tests/app/step4; here, that nothing that Compose reads is missing.
    "step4_docker": (["-c", READ_COMPOSE], "classifier/worker:0123456789ab"),
    "step5_orchestration": (["-c", PLAN_TO_DEPLOY], r"(?s)bundle/docker-compose\.yml.*run_job_flow"),
}


@pytest.mark.parametrize("step", BUILT_STEPS)
def test_a_step_runs_from_a_copy_of_just_what_its_page_says(step: str, tmp_path: Path):
    folders = copy_unit(step)
    copy(inside(*folders), tmp_path)
    arguments, expected = SMOKE[step]

    run = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env=os.environ | {"PORT": str(free_port())},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, f"a copy of {folders} does not run:\n{run.stdout}{run.stderr}"
    assert re.search(expected, run.stdout), run.stdout


def copy_unit(step: str) -> list[str]:
    """The folders that the step's page names together in backticks, as in `step1_script shared`."""
    page = (ROOT / step / "README.md").read_text()
    quoted = (span.split() for span in re.findall(r"`([^`\n]+)`", section(page, "Copy it")))
    units = [span for span in quoted if step in span and {*span} <= {*STEPS, "shared"}]
    assert units, f"{step}/README.md must name its copy unit under `Copy it`, as in `{step} shared`"
    return units[0]
