"""A README is tested like code: its commands are run, its links followed, its headings known."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.app.serving import free_port, wait_until_answered
from tests.app.step4.docker_host import docker_host, have_bases
from tests.repo.checkout import BUILT_STEPS, FILES, ROOT, STEPS, copy, python_in, section

PAGES = [path for path in FILES if path.name == "README.md"]
RUNNABLE_PAGES = [path for path in PAGES if len(path.parts) == 1 or path.parts[0] in {"shared", *STEPS}]

# How a reader gets here; the commands below already run in a copy of the repository.
SKIPPED = re.compile(r"git clone \S+|cd \S+")
# These would run this very test again, last too long, or change a cloud: only that make knows them is checked.
ONLY_PLANNED = re.compile(
    r"make (test|benchmarks|soak|setup|peers|step4|images|push|sbom|audit|(?:plan|deploy|destroy)-\w+)\b"
)
NEEDS_DOCKER = re.compile(r"^docker\b|\btests\.benchmarks\.naive\.containers\.", re.MULTILINE)
# These serve until they are stopped. A page's own is started once, on a free port, for all that ask at its address.
SERVES = re.compile(r"(MODEL=\w+ )?make (step2|run)")
SERVED_AT = "127.0.0.1:8000"
SECONDS = 600

SINCE_STEP_2 = ["What changed", "What did not change", "See the difference"]
ALWAYS = ["Read in this order", "Run it", "Break it", "Copy it", "What still hurts"]
HEADINGS = {
    "step1_script": ["What it does", *ALWAYS],
    **{step: [f"What hurt in step {n}", *SINCE_STEP_2, *ALWAYS] for n, step in enumerate(STEPS[1:], 1)},
}
HEADINGS["step5_orchestration"] = HEADINGS["step5_orchestration"][:-1]  # nothing comes after it


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    script: str
    exit_code: int
    shown: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


FENCE = re.compile(r"^```(?P<language>sh|bash|console)\b(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[Block]:
    text = (ROOT / page).read_text()
    return [
        Block(
            page,
            text[: fence.start()].count("\n") + 1,
            runnable(fence["body"], prompted=fence["language"] == "console"),
            int((re.search(r"expect-exit=(\d+)", fence["info"]) or [0, 0])[1]),
            shown(fence["body"]) if fence["language"] == "console" else "",
        )
        for fence in FENCE.finditer(text)
    ]


def runnable(body: str, *, prompted: bool) -> str:
    lines = body.splitlines()
    if prompted:  # the other lines show what the commands print
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return "\n".join(ONLY_PLANNED.sub(r"make -n \1", line) for line in lines if not is_skipped(line))


def shown(body: str) -> str:
    return "\n".join(line for line in body.splitlines() if not line.startswith("$ "))


def is_skipped(line: str) -> bool:
    command = line.partition(" #")[0].strip()
    return SKIPPED.fullmatch(command) is not None or SERVES.fullmatch(command) is not None


@pytest.fixture(scope="module")
def copied_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # One folder deeper than needed, so that a command may also write beside the repository.
    target = tmp_path_factory.mktemp("readmes") / "repository"
    copy(FILES, target)
    (target / ".venv").symlink_to(sys.prefix)
    return target


def environment() -> dict[str, str]:
    others = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return others | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{others['PATH']}"}


@pytest.fixture(scope="module")
def serve(copied_repository: Path) -> Iterator[Callable[[Path], str]]:
    """Start the service that a page tells to start, once, and return where it is; stop all of them with Ctrl-C."""
    with ExitStack() as running:

        @cache
        def start(page: Path) -> str:
            (command,) = {line for line in (ROOT / page).read_text().splitlines() if SERVES.fullmatch(line)}
            return running.enter_context(served(command, copied_repository))

        yield start


@contextmanager
def served(command: str, repository: Path) -> Iterator[str]:
    port = str(free_port())
    with (repository.parent / f"served-{port}").open("wb") as output:
        server = subprocess.Popen(
            ["bash", "-c", f"exec {'env ' if '=' in command else ''}{command}"],
            cwd=repository,
            env=environment() | {"PORT": port},
            start_new_session=True,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_answered(f"http://127.0.0.1:{port}/readyz", server)
        yield f"127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGINT)
        server.wait(timeout=60)
    assert f"http://127.0.0.1:{port}" in (repository.parent / f"served-{port}").read_text()


@pytest.fixture(scope="module")
def docker() -> Iterator[None]:
    with docker_host() as client:
        have_bases(client)
        yield


@pytest.mark.parametrize("block", [block for page in RUNNABLE_PAGES for block in blocks(page)], ids=str)
def test_commands_do_what_the_page_says(block: Block, copied_repository: Path, request: pytest.FixtureRequest):
    script = block.script
    if SERVED_AT in script:
        script = script.replace(SERVED_AT, request.getfixturevalue("serve")(block.page))
    if NEEDS_DOCKER.search(script):
        request.getfixturevalue("docker")

    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=copied_repository,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert run.returncode == block.exit_code, f"{block}\n{block.script}\n--- printed:\n{run.stdout}"
    assert block.shown in run.stdout, f"{block} shows another output than this:\n{run.stdout}"


@pytest.mark.parametrize("page", [path for path in FILES if path.suffix == ".md"], ids=str)
def test_links_lead_somewhere(page: Path):
    prose = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", prose)]

    broken = [link for link in links if not re.match(r"[a-z]+:", link) and not (ROOT / page.parent / link).exists()]

    assert broken == [], f"{page} links to what is not there"


@pytest.mark.parametrize("step", BUILT_STEPS)
def test_a_step_is_told_under_the_same_headings_as_every_other(step: str):
    found = re.findall(r"^## (.+)$", (ROOT / step / "README.md").read_text(), re.MULTILINE)

    assert [heading for heading in found if heading in HEADINGS[step]] == HEADINGS[step]


READING_ORDERS = [path for path in PAGES if section((ROOT / path).read_text(), "Read in this order")]


def page_of(module: Path) -> Path:
    """The page that tells when to read a module: that of its folder, or of the nearest one above that has one."""
    return next(folder / "README.md" for folder in module.parents if folder / "README.md" in READING_ORDERS)


@pytest.mark.parametrize("page", READING_ORDERS, ids=str)
def test_a_page_names_each_module_that_it_is_to_be_read_with(page: Path):
    reading_order = section((ROOT / page).read_text(), "Read in this order")
    own = [path for path in python_in(*BUILT_STEPS) if path.name != "__init__.py" and page_of(path) == page]
    modules = [str(path.relative_to(page.parent)) for path in own]

    unnamed = [name for name in modules if not re.search(rf"(?<![\w/]){re.escape(name)}\b", reading_order)]

    assert unnamed == [], f"{page} leaves files out of `Read in this order`"
