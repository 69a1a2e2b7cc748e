"""Prometheus and Grafana as files: configuration, alert rules and dashboards, against the programs and the figures."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.app.serving import ROOT

MONITORING = ROOT / "step4_docker" / "monitoring"
RULES = {"step3": ROOT / "step3_microservices" / "alerts.yml", "step4": MONITORING / "alerts.yml"}
UNIT_TESTS = {step: Path(__file__).with_name(f"test_monitoring_{step}_alerts.yml") for step in RULES}
DASHBOARDS = sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))
PAGE = MONITORING / "README.md"

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="there is no promtool, of the package prometheus"
)
per_step = pytest.mark.parametrize("step", RULES)
per_dashboard = pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)


def as_mounted(folder: Path) -> Path:
    """Lay out what Prometheus reads as in its container; return the configuration."""
    (folder / "rules").mkdir(parents=True)
    for step, file in RULES.items():
        shutil.copy(file, folder / "rules" / f"{step}.yml")
    return Path(shutil.copy(MONITORING / "prometheus.yml", folder))


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)


def rules(step: str) -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES[step].read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def dashboard(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text())


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in DASHBOARDS:
        for panel in dashboard(file)["panels"]:
            yield f"{file.stem}: {panel['title']}", panel


# --- alert rules -----------------------------------------------------------------------------------------------------


@needs_promtool
def test_prometheus_accepts_its_configuration_and_all_rules(tmp_path):
    checked = promtool("check", "config", "--lint-fatal", as_mounted(tmp_path))

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "2 rule files found" in checked.stdout


@needs_promtool
@per_step
def test_every_alert_fires_when_it_should_and_only_then(step):
    tested = promtool("test", "rules", UNIT_TESTS[step])

    assert tested.returncode == 0, tested.stdout + tested.stderr


@per_step
def test_every_alert_has_a_test_in_which_it_is_quiet_and_one_in_which_it_fires(step):
    tests = yaml.safe_load(UNIT_TESTS[step].read_text())["tests"]
    cases = [(case["expr"], bool(case["exp_samples"])) for test in tests for case in test["promql_expr_test"]]

    seen = {(name, fires) for expr, fires in cases for name in re.findall(r'alertname="(\w+)"', expr)}

    assert sorted(seen) == sorted((name, fires) for name in rules(step) for fires in (False, True))


@needs_promtool
@per_step
@pytest.mark.parametrize("expr", ["vector(1) < 0", "vector(1)"], ids=["never", "always"])
def test_the_tests_of_alerts_notice_each_rule_that_is_never_or_always_true(step, expr, tmp_path):
    changed = yaml.safe_load(RULES[step].read_text())
    for group in changed["groups"]:
        group["rules"] = [rule | {"expr": expr, "for": "0s"} for rule in group["rules"]]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(changed))
    unit_tests = yaml.safe_load(UNIT_TESTS[step].read_text()) | {"rule_files": ["rules.yml"]}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(unit_tests))

    tested = promtool("test", "rules", tmp_path / "tests.yml")

    noticed = re.findall(r'expr: "[^\n]*?alertname=\\"(\w+)', tested.stdout + tested.stderr)
    assert sorted({*noticed}) == sorted(rules(step))


@per_step
def test_every_alert_says_how_urgent_it_is_what_is_wrong_and_what_to_do(step):
    for name, rule in rules(step).items():
        assert rule["labels"]["severity"] in {"page", "ticket"}, name
        assert {*rule["annotations"]} == {"summary", "remedy"}, name


def test_no_two_alerts_have_the_same_name_and_the_page_tells_of_each():
    names = [name for step in RULES for name in rules(step)]
    told = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)

    assert sorted(told) == sorted(names)


# --- dashboards ------------------------------------------------------------------------------------------------------


@per_dashboard
def test_a_dashboard_has_only_what_grafana_knows(file):
    register_default_plugins()
    given = dashboard(file)

    misspelt = given | {"tittle": "x"}

    assert lost(given) == set()
    assert lost(misspelt) == {("/tittle", "x")}, "so what is not known is noticed"


def lost(given: dict[str, Any]) -> set[tuple[str, object]]:
    """Return what Grafana's own types do not take over from a dashboard."""
    taken = json.loads(JSONEncoder().encode(Dashboard.from_json(given)))
    return {*leaves(given)} - {*leaves(taken)}


def leaves(value: object, place: str = "") -> Iterator[tuple[str, object]]:
    """Yield everything that holds nothing else, with its place."""
    if isinstance(value, Mapping):
        for name, child in value.items():
            yield from leaves(child, f"{place}/{name}")
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from leaves(child, f"{place}/{number}")
    else:
        yield place, value


def test_dashboards_are_named_after_their_files_and_the_page_tells_of_each():
    told = re.findall(r"^\| `(\w+)\.json` \|", PAGE.read_text(), re.MULTILINE)

    assert [dashboard(file)["uid"] for file in DASHBOARDS] == [file.stem for file in DASHBOARDS]
    assert len({dashboard(file)["title"] for file in DASHBOARDS}) == len(DASHBOARDS)
    assert sorted(told) == [file.stem for file in DASHBOARDS]


def test_every_panel_asks_the_datasource_that_is_provisioned_and_no_other():
    provisioned = yaml.safe_load((MONITORING / "grafana/provisioning/datasources/prometheus.yaml").read_text())
    (datasource,) = provisioned["datasources"]
    provider = yaml.safe_load((MONITORING / "grafana/provisioning/dashboards/files.yaml").read_text())["providers"][0]

    asked = [leaf for file in DASHBOARDS for leaf in leaves(dashboard(file)) if "/datasource/" in leaf[0]]

    assert len(asked) > 2 * len(list(panels()))
    assert {value for _, value in asked} == {"prometheus"} == {datasource["uid"], datasource["type"]}
    scraped_every = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert datasource["jsonData"]["timeInterval"] == scraped_every
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"


def test_every_panel_has_a_title_a_unit_of_grafanas_and_says_what_to_do_when_it_is_bad():
    known = {unit for name, unit in vars(units).items() if name[0].isupper()}

    for name, panel in panels():
        assert panel["title"], name
        assert panel["fieldConfig"]["defaults"]["unit"] in known, name
        assert len(panel["description"].split()) >= 10, f"{name} does not say what to do"
        assert panel["targets"], name


@per_dashboard
def test_panels_have_places_of_their_own(file):
    places = [panel["gridPos"] for panel in dashboard(file)["panels"]]

    taken = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(taken) == len({*taken}), "panels lie on each other"
    assert max(x for x, _ in taken) < 24, "a dashboard is 24 columns wide"
    ids = [panel["id"] for panel in dashboard(file)["panels"]]
    assert len(ids) == len({*ids})
