"""Paired files of two steps keep their names, functions and order, so that one diff shows what the step is about."""

import ast
from pathlib import Path

import pytest

from tests.repo.checkout import ROOT

BEFORE, AFTER = Path("step2_webapp"), Path("step3_microservices/gateway")
UNCHANGED = (
    *("api_keys.py", "connections.py", "decoding.py", "page.py", "request_log.py", "uploads.py"),
    *("static/camera.js", "static/docs.js", "static/heat_map.js", "static/icon.svg", "static/visit.js"),
    *("templates/docs.html", "templates/problems.html"),
)


def functions(path: Path) -> list[str]:
    body = ast.parse((ROOT / path).read_text()).body
    return [node.name for node in body if isinstance(node, ast.FunctionDef)]


def test_the_gateways_app_has_all_functions_of_the_web_app_in_their_order():
    before, after = functions(BEFORE / "app.py"), functions(AFTER / "app.py")

    assert [name for name in after if name in before] == before


@pytest.mark.parametrize("name", UNCHANGED)
def test_what_a_step_takes_over_stays_the_same(name):
    before = (ROOT / BEFORE / name).read_text()
    after = (ROOT / AFTER / name).read_text()

    assert after.replace("step3_microservices.gateway", "step2_webapp") == before, (
        "mend it in both steps, or take it off the list and tell the difference in the step's README"
    )
