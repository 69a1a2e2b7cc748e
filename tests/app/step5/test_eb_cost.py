"""The estimate: added up by hand once, and held to what an estimate must say of itself."""

import re
from datetime import date

import pytest

from step5_orchestration.deploy.elastic_beanstalk.cost import estimate, read_prices
from tests.app.step5.eb_account import wanted
from tests.repo.checkout import ROOT

PRICES = read_prices()
REDIS = {"REDIS_URL": "rediss://cache.example:6379/0"}


def test_one_instance_is_its_hours_its_disk_and_its_address():
    cost = estimate(wanted(), "eu-central-1", PRICES)

    assert cost.hourly == pytest.approx(0.048 + 16 * 0.0952 / 730 + 0.005)
    assert cost.monthly == pytest.approx(40.21, abs=0.01)


def test_a_load_balancer_is_paid_for_too_and_every_instance_that_there_may_be():
    cost = estimate(wanted(min_instances=2, max_instances=4, settings=REDIS), "us-east-1", PRICES)

    instances = 4 * (0.0416 + 16 * 0.08 / 730 + 0.005)
    assert cost.hourly == pytest.approx(instances + 2 * 0.005 + 0.0225 + 0.008)


def test_where_no_price_is_on_file_there_is_no_estimate():
    assert estimate(wanted(), "mars-1", PRICES) is None
    assert estimate(wanted(instance_type="x9.huge"), "eu-central-1", PRICES) is None


def test_it_says_that_it_is_one_from_where_and_of_when():
    lines = [*estimate(wanted(), "eu-central-1", PRICES).lines()]

    assert lines[0].startswith("Estimate for eu-central-1")
    assert PRICES["source"] in lines[-1]
    assert PRICES["noted"] in lines[-1]
    assert "Traffic, logs and a Redis elsewhere come on top." in lines[-1]


@pytest.mark.parametrize("region", PRICES["regions"])
def test_every_region_has_every_price(region):
    first = next(iter(PRICES["regions"].values()))
    here = PRICES["regions"][region]

    assert {*here} == {*first}
    assert {*here["instance_hour"]} == {*first["instance_hour"]}
    assert all(0 < price < 1 for price in [*here["instance_hour"].values(), *list(here.values())[1:]])


def test_the_prices_tell_when_they_were_noted():
    assert date.fromisoformat(PRICES["noted"]) < date.today()


@pytest.mark.parametrize("name", ["README.md", "elastic_beanstalk/README.md"])
def test_the_table_of_the_page_is_the_estimate(name):
    page = (ROOT / "step5_orchestration" / name).read_text()
    rows = re.findall(r"^\| (\d)(?:-(\d))? x (\S+) \|.*\| (\S+) \| \$([\d.]+) \| \$([\d.]+) \|$", page, re.MULTILINE)
    assert len(rows) >= 3

    for least, most, kind, region, hourly, monthly in rows:
        settings = REDIS if most else {}
        there = wanted(
            instance_type=kind, min_instances=int(least), max_instances=int(most or least), settings=settings
        )
        cost = estimate(there, region, PRICES)
        assert (hourly, monthly) == (f"{cost.hourly:.4f}", f"{cost.monthly:.2f}")
