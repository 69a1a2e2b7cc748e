"""The bundle as Beanstalk's platform runs it: unpacked, secrets made by its hook, settings in `.env`, Compose."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from step5_orchestration.deploy.container_images import ContainerImages
from step5_orchestration.deploy.elastic_beanstalk.bundle import make_bundle, unpack
from step5_orchestration.deploy.elastic_beanstalk.compose import HEALTHD_LOG, SECRETS
from step5_orchestration.deploy.smoke_test import smoke_test
from tests.app.serving import free_port
from tests.app.step4.compose_file import program
from tests.app.step4.docker_host import REVISION
from tests.app.step5.eb_account import NAMES, wanted

DIGEST = "0" * 64
PUSHED = ContainerImages(REVISION.digits, {name: f"registry.example/{name}@sha256:{DIGEST}" for name in NAMES})
# time in seconds, path, status, seconds of the request and of the gateway, client before the load balancer
HEALTHD_LINE = re.compile(r'\d+\.\d{3}"/[^"]*"\d{3}"\d+\.\d{3}"(\d+\.\d{3}|-)?"[^"]*')


@pytest.fixture
def instance(container_images: dict[str, str], tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An instance with the bundle running on it: its address, and the folder that is its disk."""
    current, port = tmp_path / "current", str(free_port())
    unpack(make_bundle(wanted(), PUSHED), current)
    on_this_machine = {
        **{PUSHED[name]: container_images[name] for name in NAMES},  # no registry is asked
        '"80:8080"': f'"127.0.0.1:{port}:8080"',
        "80:8080": f"127.0.0.1:{port}:8080",
        SECRETS: str(tmp_path / "secrets"),
        f"{HEALTHD_LOG}:": f"{tmp_path / 'healthd'}:",
    }
    compose = current / "docker-compose.yml"
    compose.write_text(replaced(compose.read_text(), on_this_machine))
    (tmp_path / "healthd").mkdir(mode=0o777)
    (tmp_path / "healthd").chmod(0o777)
    hook = current / ".platform/hooks/predeploy/secrets.sh"
    subprocess.run(
        [hook], env=os.environ | {"SECRETS": str(tmp_path / "secrets"), "GET_CONFIG": "/bin/false"}, check=True
    )
    (current / ".env").write_text("PRECISION=float32\n")  # as the platform writes what was set

    command = [program("docker-compose"), "-p", f"eb-{tmp_path.name.replace('_', '-')}"]
    try:
        up = subprocess.run([*command, "up", "--detach"], cwd=current, capture_output=True, text=True, check=False)
        assert up.returncode == 0, up.stderr
        yield f"http://127.0.0.1:{port}", tmp_path
    finally:
        subprocess.run([*command, "down", "--volumes", "--timeout", "5"], cwd=current, check=False, capture_output=True)


def replaced(text: str, changes: dict[str, str]) -> str:
    for before, after in changes.items():
        text = text.replace(before, after)
    return text


def test_the_bundle_answers_the_golden_picture_and_writes_the_log_that_health_is_read_from(
    instance: tuple[str, Path],
):
    address, disk = instance

    smoke_test(address, timeout_s=60)

    (log,) = (disk / "healthd").iterdir()
    assert re.fullmatch(r"application\.log\.\d{4}-\d\d-\d\d-\d\d", log.name)
    lines = log.read_text().splitlines()
    assert any('"/v1/classify"200"' in line for line in lines)
    assert [line for line in lines if not HEALTHD_LINE.fullmatch(line)] == []
