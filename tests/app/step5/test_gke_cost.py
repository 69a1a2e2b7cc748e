from datetime import date

import pytest

from step5_orchestration.deploy.errors import OverBudgetError
from step5_orchestration.deploy.gke.cost import check_budget, estimate, quantity, read_prices
from step5_orchestration.deploy.gke.manifests import Manifest, Rendered
from tests.app.step5.kubernetes_rendered import manifests

PRICES = {
    "region": "here",
    "noted": "2026-11-27",
    "hourly": {"vcpu": 1.0, "memory_gib": 0.1, "cluster": 10.0, "forwarding_rule": 5.0, "disk_gib": 0.01},
    "autopilot": {
        "least_vcpu": 0.05,
        "vcpu_step": 0.05,
        "least_memory_gib": 0.05,
        "least_gib_per_vcpu": 1,
        "most_gib_per_vcpu": 6.5,
    },
}


def deployment(cpu: str, memory: str, replicas: int = 1) -> Manifest:
    container = {"name": "one", "image": "one:1", "resources": {"requests": {"cpu": cpu, "memory": memory}}}
    spec = {"replicas": replicas, "template": {"spec": {"containers": [container]}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "one"}, "spec": spec}


def hourly(*given: Manifest) -> tuple[float, float]:
    cost = estimate(Rendered(given), PRICES)
    return round(cost.least_monthly / 730 - 10, 4), round(cost.most_monthly / 730 - 10, 4)


@pytest.mark.parametrize(
    ("cpu", "memory", "price"),
    [
        ("1", "1Gi", 1.1),
        ("2", "256Mi", 2.2),  # at least 1 GiB for each vCPU
        ("100m", "13Gi", 3.3),  # at most 6.5 GiB for each vCPU
        ("10m", "8Mi", 0.055),  # the smallest there is
        ("120m", "512Mi", 0.2),  # in steps of 50 m
    ],
)
def test_a_pod_costs_what_autopilot_makes_of_its_requests(cpu: str, memory: str, price: float):
    assert hourly(deployment(cpu, memory)) == (price, price)


def test_what_scales_costs_as_few_and_as_many_as_there_may_be():
    scaler = {
        "kind": "ScaledObject",
        "metadata": {"name": "one"},
        "spec": {"scaleTargetRef": {"name": "one"}, "minReplicaCount": 2, "maxReplicaCount": 20},
    }

    assert hourly(deployment("1", "1Gi"), scaler) == (2.2, 22.0)


def test_disks_load_balancers_and_nightly_jobs_are_paid_for_too():
    spec = deployment("1", "1Gi")["spec"]["template"]
    given: tuple[Manifest, ...] = (
        {"kind": "PersistentVolumeClaim", "spec": {"resources": {"requests": {"storage": "20Gi"}}}},
        {"kind": "Gateway", "spec": {"listeners": [{}, {}]}},
        {
            "kind": "CronJob",
            "metadata": {"name": "nightly"},
            "spec": {"jobTemplate": {"spec": {"activeDeadlineSeconds": 6 * 3600, "template": spec}}},
        },
    )

    assert hourly(*given) == (5.2, round(5.2 + 1.1 / 4, 4))


def test_a_budget_holds_for_the_most_that_it_may_cost():
    cost = estimate(Rendered((deployment("1", "1Gi"),)), PRICES)

    check_budget(cost, cost.most_monthly)
    with pytest.raises(OverBudgetError, match=r"may cost \$8103 a month"):
        check_budget(cost, cost.most_monthly - 1)


def test_everything_that_runs_on_gke_has_a_price():
    cost = estimate(Rendered(manifests("gke")), read_prices())

    assert {one.what.partition(",")[0] for one in cost.costs} == {
        *("frontend", "gateway", "worker", "recommender", "events", "redis", "training"),
        *("disks", "load balancer", "cluster"),
    }
    assert all(one.hourly > 0 for one in cost.costs)


def test_prices_tell_where_they_are_from_and_of_when():
    prices = read_prices()

    assert isinstance(prices["noted"], date)
    assert all(source.startswith("https://cloud.google.com/") for source in prices["sources"])


@pytest.mark.parametrize(("text", "number"), [("250m", 0.25), ("2", 2), (1, 1), ("128Mi", 2**27), ("1G", 1e9)])
def test_quantities_are_read_as_kubernetes_writes_them(text: str, number: float):
    assert quantity(text) == number
