"""compose.yaml as data, and the programs that packages bring to read it with."""

import re
import sys
from pathlib import Path
from shutil import which
from typing import Any

import yaml

from tests.conftest import ROOT

FOLDER = ROOT / "step4_docker"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("gateway", "worker", "recommender", "events", "trainer", "frontend")

VARIABLE = re.compile(r"\$\{(\w+)")


def variables() -> set[str]:
    """Every variable that compose.yaml takes from outside: in `${...}`, or passed on by its name alone."""
    passed_on = {
        name for service in SERVICES.values() for name, value in service.get("environment", {}).items() if value is None
    }
    return {*VARIABLE.findall((FOLDER / "compose.yaml").read_text())} | passed_on


def program(name: str) -> str:
    """Return the path of a program that a package of the tests' requirements has brought."""
    found = which(name, path=str(Path(sys.executable).parent)) or which(name)
    assert found, f"{name} is missing"
    return found
