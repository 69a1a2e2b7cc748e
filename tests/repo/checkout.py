"""The repository as a reader gets it: tracked files, and new ones that are not ignored."""

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
STEPS = ("step1_script", "step2_webapp", "step3_microservices", "step4_docker", "step5_orchestration")


def _listed() -> list[Path]:
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(git, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted(Path(name) for name in names if name and (ROOT / name).is_file())


FILES = _listed()
PYTHON_FILES = [path for path in FILES if path.suffix == ".py"]


def inside(*folders: str, files: Iterable[Path] = tuple(FILES)) -> list[Path]:
    return [path for path in files if path.parts[0] in folders]


def python_in(*folders: str) -> list[Path]:
    return inside(*folders, files=PYTHON_FILES)


# A step is built once it holds more than the page that announces it.
BUILT_STEPS = [step for step in STEPS if any(path.name not in {"README.md", "__init__.py"} for path in inside(step))]


def copy(paths: Iterable[Path], target: Path) -> None:
    for path in paths:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target / path)


def section(page: str, heading: str) -> str:
    """The text under a second-level heading of a Markdown page; empty where there is no such heading."""
    found = re.search(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return found.group(1) if found else ""
