"""The settings of the manifests are those that the simulation speaks for, and the page shows what it says."""

import contextlib
import io
import re
import sys

import pytest

from tests.benchmarks.scaling.__main__ import PICTURES, main
from tests.benchmarks.scaling.arrivals import TRACES
from tests.benchmarks.scaling.autoscaler import read_settings
from tests.benchmarks.scaling.comparison import CHOSEN, RULES, runs
from tests.benchmarks.scaling.drawing import drawn
from tests.benchmarks.scaling.worker import ALONE_PER_S, BUSY_PER_S
from tests.repo.checkout import ROOT

PAGE = ROOT / "step5_orchestration/scaling/README.md"

per_trace = pytest.mark.parametrize("trace", TRACES)


@per_trace
def test_the_rule_that_was_chosen_refuses_the_fewest(trace: str):
    refused = {rule: runs(trace)[rule].refused_share for rule in RULES}

    assert refused[CHOSEN] == min(refused.values())


def test_the_rule_that_was_chosen_follows_a_day_without_swinging():
    day = runs("wave")

    assert day[CHOSEN].refused_share < 0.001
    assert day[CHOSEN].changes < 50
    assert day["pictures, 3 each"].changes > 10 * day[CHOSEN].changes
    assert day[CHOSEN].worker_hours < day["processor, 70 %"].worker_hours


def test_processor_is_no_measure_of_a_queue():
    burst = runs("burst")

    assert burst["processor, 70 %"].refused_share > 2 * burst[CHOSEN].refused_share


def test_the_manifests_say_what_was_chosen():
    assert f"pictures, {read_settings().target:g} each" == CHOSEN


def test_what_a_worker_does_is_what_step_3_has_drawn():
    described = re.search(r"int8: ([^.]*)", (ROOT / "step3_microservices/pictures/batching.svg").read_text())[1]

    assert f"1 client {ALONE_PER_S} to" in described
    assert f"8 clients 43 to {BUSY_PER_S}" in described


@per_trace
def test_the_pictures_are_those_of_the_last_run(trace: str):
    committed = (PICTURES / f"{trace}.svg").read_text()

    again = drawn(TRACES[trace], {rule: run for rule, run in runs(trace).items() if rule in RULES})

    assert numbers(again) == pytest.approx(numbers(committed), abs=0.5)


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]


def test_the_page_shows_the_tables_that_are_printed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["scaling"])
    printed = io.StringIO()

    with contextlib.redirect_stdout(printed):
        main()

    rows = [line for line in printed.getvalue().splitlines() if line]
    assert [row for row in rows if row not in PAGE.read_text()] == []
