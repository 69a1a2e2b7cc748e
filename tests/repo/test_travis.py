import re
from typing import Any

import pytest
import yaml

from tests.repo.checkout import ROOT


@pytest.fixture(scope="module")
def travis() -> dict[str, Any]:
    return yaml.safe_load((ROOT / ".travis.yml").read_text())


def commands(travis: dict[str, Any]) -> list[str]:
    phases = (travis.get(phase, []) for phase in ("before_install", "install", "before_script", "script"))
    return [line for phase in phases for line in ([phase] if isinstance(phase, str) else phase)]


def test_it_calls_only_make_targets_that_exist(travis: dict[str, Any]):
    targets = {f"make {name}" for name in re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)}

    assert sorted({*commands(travis)} - targets) == []


def test_it_runs_the_same_command_as_every_other_build_machine(travis: dict[str, Any]):
    last = (ROOT / ".ci/run").read_text().splitlines()[-1]

    assert last.removeprefix("exec ") == "make test"
    assert travis["script"] == "make test"


def test_it_runs_on_every_python_that_the_makefile_accepts(travis: dict[str, Any]):
    first, last = re.search(
        r"^SUITABLE :=.*\(3, (\d+)\) <=.*<= \(3, (\d+)\)", (ROOT / "Makefile").read_text(), re.MULTILINE
    ).groups()

    assert travis["python"] == [f"3.{minor}" for minor in range(int(first), int(last) + 1)]
    assert int(first) >= 11
