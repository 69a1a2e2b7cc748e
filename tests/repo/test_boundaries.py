"""`shared` is what is served, a step is how: imports show whether that still holds."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repo.checkout import BUILT_STEPS, ROOT, STEPS, python_in

HOW_IT_IS_SERVED = {"boto3", "botocore", "celery", "docker", "flask", "gunicorn", "redis"}
WITHOUT_TENSORFLOW = [
    "shared.errors",
    "shared.classifier.images",
    "shared.classifier.preprocess",
    "shared.classifier.predictions",
    "shared.classifier.labels",
    "shared.classifier.explain",
    "shared.classifier.models",
]
# Names of calls that read a file, load a model or open a connection, and so have no place at import.
TOO_EARLY = {"open", "read_text", "read_bytes", "load", "load_model", "load_weights", "getenv", "connect", "from_url"}

per_module = pytest.mark.parametrize("path", python_in("shared", *STEPS), ids=str)
per_shared_module = pytest.mark.parametrize("path", python_in("shared"), ids=str)


@per_shared_module
def test_shared_knows_nothing_of_how_it_is_served(path: Path):
    foreign = imported_packages(path) & {*HOW_IT_IS_SERVED, *STEPS, "tests"}

    assert sorted(foreign) == [], f"{path} imports what belongs to a step"


@per_shared_module
def test_shared_never_reads_the_environment(path: Path):
    readers = [
        node.lineno
        for node in ast.walk(parsed(path))
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"})
        or (isinstance(node, ast.ImportFrom) and node.module == "os")
    ]

    assert readers == [], f"{path}: a step reads its environment and hands over the value"


@pytest.mark.parametrize("step", BUILT_STEPS)
def test_a_step_imports_only_shared_and_itself(step: str):
    others = {*STEPS, "tests"} - {step}

    foreign = {str(path): sorted(imported_packages(path) & others) for path in python_in(step)}

    assert {path: names for path, names in foreign.items() if names} == {}


@per_module
def test_nothing_is_read_loaded_or_opened_at_import(path: Path):
    early = [f"{path}:{node.lineno}" for node in run_at_import(parsed(path)) if is_too_early(node)]

    assert early == [], "move it into a function, so that importing stays free of side effects"


@pytest.mark.parametrize("module", WITHOUT_TENSORFLOW)
def test_importing_does_not_pull_in_tensorflow(module: str):
    program = f"import sys, {module}; print(*sorted({{'tensorflow', 'keras'}} & {{*sys.modules}}))"

    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == [], f"{module} must import in a gateway that has no TensorFlow"


def parsed(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(), str(path))


def imported_packages(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Everything that executes on import: class bodies, decorators and defaults do, function bodies do not."""
    for child in ast.iter_child_nodes(node):
        if is_main_guard(child):
            continue
        yield child
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in (*child.decorator_list, *child.args.defaults, *filter(None, child.args.kw_defaults)):
                yield from (part, *run_at_import(part))
        elif not isinstance(child, ast.Lambda):
            yield from run_at_import(child)


def is_main_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def is_too_early(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).rpartition(".")[2] in TOO_EARLY
    return isinstance(node, ast.Attribute) and node.attr == "environ"
