import ast
import re
from pathlib import Path

import pytest

from tests.repo.checkout import FILES, PYTHON_FILES, ROOT, STEPS, inside, python_in

TOP_LEVEL = {
    *STEPS,
    "shared",
    "tests",
    ".ci",
    ".dockerignore",
    ".github",
    ".gitignore",
    ".travis.yml",
    "LICENSE",
    "Makefile",
    "README.md",
    "pyproject.toml",
}
SAYS_NOTHING = {"utils", "helpers", "common", "base", "manager"}
# They build and deploy what other steps run, and are in no container image.
TOOLS = (Path("step4_docker/container_images"), Path("step5_orchestration/deploy"))
LONGEST_MODULE = 250
LONGEST_FUNCTION = 60
APPLICATION = python_in("shared", *STEPS)

per_module = pytest.mark.parametrize("path", APPLICATION, ids=str)


def test_top_level_is_the_five_steps_and_what_they_share():
    found = {path.parts[0] for path in FILES}

    assert sorted(TOP_LEVEL - found) == [], "missing at the top level"
    assert sorted(found - TOP_LEVEL) == [], "not foreseen at the top level"


@pytest.mark.parametrize("step", STEPS)
def test_every_step_has_a_page(step: str):
    assert (ROOT / step / "README.md").is_file(), f"{step}/README.md is missing"


def test_every_init_file_is_empty():
    filled = [str(path) for path in PYTHON_FILES if path.name == "__init__.py" and (ROOT / path).read_text()]

    assert filled == [], "an import of one module must not pull in its neighbours"


def test_modules_are_named_after_what_they_hold():
    vague = [str(path) for path in PYTHON_FILES if SAYS_NOTHING & {*path.with_suffix("").parts}]

    assert vague == [], "name the thing inside instead"


def test_packaging_steps_hold_no_application_python():
    found = [
        str(path)
        for path in python_in("step4_docker", "step5_orchestration")
        if path.name != "__init__.py" and not {*TOOLS} & {*path.parents}
    ]

    assert found == [], "packaging changes nothing in the source"


def test_files_inside_a_step_are_not_numbered():
    numbered = [str(path) for path in inside(*STEPS) for part in path.parts[1:] if is_numbered(part)]

    assert numbered == [], "the order of reading stands in the step's README, where it can change"


def is_numbered(name: str) -> bool:
    return re.search(r"^\d|[_-]\d+$", name.partition(".")[0]) is not None


@per_module
def test_module_is_short_enough_to_read(path: Path):
    lines = len((ROOT / path).read_text().splitlines())

    assert lines <= LONGEST_MODULE, f"{path} has {lines} lines; split it by noun"


@per_module
def test_functions_are_short_enough_to_read(path: Path):
    functions = [
        node
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    long = [f"{path}:{node.lineno} {node.name}" for node in functions if length(node) > LONGEST_FUNCTION]

    assert long == [], f"longer than {LONGEST_FUNCTION} lines"


def length(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1
