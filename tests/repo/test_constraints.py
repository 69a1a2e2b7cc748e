import re
import sys
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.repo.checkout import BUILT_STEPS, FILES, ROOT, STEPS, inside, python_in
from tests.repo.test_boundaries import imported_packages

CONSTRAINTS = Path("shared/constraints.txt")
REQUIREMENTS = [path for path in FILES if re.fullmatch(r"requirements.*\.txt", path.name)]
FIRST_PARTY = {"shared", "tests", *STEPS}

per_requirements_file = pytest.mark.parametrize("path", REQUIREMENTS, ids=str)


def lines(path: Path) -> list[str]:
    """What pip sees: no comments, no blank lines."""
    bare = (re.sub(r"(^|\s)#.*", "", line).strip() for line in (ROOT / path).read_text().splitlines())
    return [line for line in bare if line]


PINS = {canonicalize_name(name): pin for name, _, pin in (line.partition("==") for line in lines(CONSTRAINTS))}


# Not every machine can have these, or needs them; what lacks one says so.
OPTIONAL = {
    canonicalize_name(line)
    for name in ("requirements-redis.txt", "recommender/requirements-spark.txt")
    for line in lines(Path("step3_microservices", name))
    if not line.startswith("-")
}


def is_installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def required(path: Path) -> list[str]:
    return [canonicalize_name(line) for line in lines(path) if not line.startswith("-")]


def reached(names: Iterable[str]) -> set[str]:
    """These packages and all that they pull in on this machine."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            if name in OPTIONAL and not is_installed(name):
                continue
            needs = (Requirement(need) for need in requires(name) or ())
            waiting += [canonicalize_name(n.name) for n in needs if not n.marker or n.marker.evaluate({"extra": ""})]
    return found


def test_every_package_is_pinned_once_and_exactly():
    pins = lines(CONSTRAINTS)

    loose = [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.!+]+", pin)]
    count = Counter(canonicalize_name(pin.partition("==")[0]) for pin in pins)
    twice = [name for name in count if count[name] > 1]

    assert loose == [], "not of the form name==version"
    assert twice == [], "pinned more than once"


@per_requirements_file
def test_requirements_name_packages_and_leave_versions_to_the_constraints(path: Path):
    versioned = [line for line in lines(path) if re.search(r"[<>=~!@]", line)]
    unpinned = sorted({*required(path)} - {*PINS})
    applied = [(ROOT / path).parent.joinpath(line[2:].strip()).resolve() for line in lines(path) if line[:2] == "-c"]

    assert versioned == [], f"{path}: versions belong into {CONSTRAINTS}"
    assert unpinned == [], f"{path}: has no version in {CONSTRAINTS}"
    assert applied == [ROOT / CONSTRAINTS], f"{path} must begin with -c, so that it can be installed alone"


def test_everything_pulled_in_is_pinned_and_nothing_else():
    # pip-audit asks for pip, which is what installs all of this, and is there before.
    needed = reached(name for path in REQUIREMENTS for name in required(path)) - {"pip"}

    assert sorted(needed - {*PINS}) == [], f"installed, but has no version in {CONSTRAINTS}"
    assert sorted({*PINS} - needed) == [], f"in {CONSTRAINTS}, but needed by nothing"


def test_what_is_installed_is_what_is_pinned():
    installed = {name: version(name) for name in PINS if name not in OPTIONAL or is_installed(name)}
    other = {name: found for name, found in installed.items() if found != PINS[name]}

    assert other == {}, "run `make setup` again, or install into a fresh .venv"


@pytest.mark.parametrize("folder", ["shared", *BUILT_STEPS])
def test_every_third_party_import_is_declared(folder: str):
    # shared/ has no requirements of its own but for its extras: the steps that serve it install what it imports.
    folders = [folder] if folder in STEPS else ["shared", *STEPS]
    declared = {name for path in inside(*folders, files=REQUIREMENTS) for name in required(path)}

    imports = {name: path for path in python_in(folder) for name in imported_packages(path)}
    undeclared = {
        str(path): name
        for name, path in imports.items()
        if name not in FIRST_PARTY | sys.stdlib_module_names and not distributions(name) & declared
    }

    assert undeclared == {}, "imported, but in no requirements.txt of the step"


def distributions(package: str) -> set[str]:
    return {canonicalize_name(name) for name in packages_distributions().get(package, [package])}
