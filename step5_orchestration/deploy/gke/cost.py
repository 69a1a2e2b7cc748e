"""What the manifests will cost: what Pods request, as Autopilot bills it, times a file of list prices."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import yaml

from step5_orchestration.deploy.errors import OverBudgetError
from step5_orchestration.deploy.gke.manifests import MANIFESTS, WORKLOADS, Manifest, Rendered, pod_of

PRICES = MANIFESTS / "prices.yaml"

_HOURS_PER_MONTH = 730
_HOURS_PER_DAY = 24
_GIB = 2**30
_UNITS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@dataclass(frozen=True)
class Cost:
    """One thing that is paid for, with as few and with as many of it as there may be."""

    what: str
    hourly: float  # for one of them
    least: float
    most: float


@dataclass(frozen=True)
class Estimate:
    """What all of it costs, in dollars."""

    costs: tuple[Cost, ...]
    region: str
    noted: str

    @property
    def least_monthly(self) -> float:
        """With as few replicas as there may be."""
        return sum(cost.hourly * cost.least for cost in self.costs) * _HOURS_PER_MONTH

    @property
    def most_monthly(self) -> float:
        """With as many replicas as there may be, for the whole month."""
        return sum(cost.hourly * cost.most for cost in self.costs) * _HOURS_PER_MONTH

    def lines(self) -> Iterator[str]:
        """Yield it as a table."""
        least, most = self.least_monthly, self.most_monthly
        yield f"Estimate for {self.region}, in dollars: {_dollars(least, most, 1 / _HOURS_PER_MONTH, 3)} an hour,"
        yield f"{_dollars(least, most, 1, 0)} a month of {_HOURS_PER_MONTH} hours:"
        for cost in self.costs:
            price = _dollars(cost.hourly * cost.least, cost.hourly * cost.most, _HOURS_PER_MONTH, 2)
            number = f"{cost.least:g}" if cost.least == cost.most else f"{cost.least:g} to {cost.most:.2g}"
            yield f"  {cost.what:34} {number:>9}  {price:>18}"
        yield f"List prices of {self.noted} in {PRICES.parent.name}/{PRICES.name}, which says what is not in it."


def read_prices(path: Path = PRICES) -> dict[str, Any]:
    """Read the price file."""
    prices: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return prices


def estimate(rendered: Rendered, prices: dict[str, Any]) -> Estimate:
    """Return what these manifests cost."""
    hourly = prices["hourly"]
    bounds = _bounds(rendered)
    costs = [
        Cost(manifest["metadata"]["name"], _pod_hourly(manifest, prices), *bounds[_target(manifest)])
        for manifest in rendered.of(*WORKLOADS)
    ]
    costs += [
        Cost(f"{job['metadata']['name']}, by the day", _pod_hourly(job, prices), 0, _share_of_day(job))
        for job in rendered.of("CronJob")
    ]
    gib = sum(_volumes(rendered))
    listeners = sum(len(gateway["spec"]["listeners"]) for gateway in rendered.of("Gateway"))
    costs += [
        Cost("disks, GiB", hourly["disk_gib"], gib, gib),
        Cost("load balancer", hourly["forwarding_rule"], min(listeners, 1), min(listeners, 1)),
        Cost("cluster", hourly["cluster"], 1, 1),
    ]
    return Estimate(tuple(cost for cost in costs if cost.most), prices["region"], str(prices["noted"]))


def check_budget(cost: Estimate, budget: float | None) -> None:
    """Hold the most that it may cost to a budget, in dollars a month. Raises OverBudgetError."""
    if budget is not None and cost.most_monthly > budget:
        raise OverBudgetError(
            f"It may cost ${cost.most_monthly:.0f} a month, with all replicas that it may have; "
            f"the budget is ${budget:.0f}.",
            "Lower maxReplicas and maxReplicaCount, or raise --budget.",
        )


def quantity(text: str | float) -> float:
    """Return a quantity of Kubernetes as a number: cores, or bytes."""
    number, unit = re.fullmatch(r"([\d.]+)([a-zA-Z]*)", str(text)).groups()  # type: ignore[union-attr] # kubectl has read it
    return float(number) / 1000 if unit == "m" else float(number) * _UNITS[unit]


def _dollars(least: float, most: float, factor: float, digits: int) -> str:
    low, high = f"{least * factor:.{digits}f}", f"{most * factor:.{digits}f}"
    return low if low == high else f"{low} to {high}"


def _target(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def _bounds(rendered: Rendered) -> dict[tuple[str, str], tuple[int, int]]:
    """Return how few and how many Pods each workload may have."""
    bounds = {}
    for manifest in rendered.of(*WORKLOADS):
        replicas = manifest["spec"].get("replicas", 1)
        bounds[_target(manifest)] = (replicas, replicas)
    for scaler in rendered.of("HorizontalPodAutoscaler", "ScaledObject"):
        spec = scaler["spec"]
        target = spec["scaleTargetRef"]
        least = spec.get("minReplicas", spec.get("minReplicaCount", 1))
        most = spec.get("maxReplicas", spec.get("maxReplicaCount"))
        bounds[target.get("kind", "Deployment"), target["name"]] = (least, most)
    return bounds


def _share_of_day(job: Manifest) -> float:
    """Return for what share of the time a job that runs once a day may run."""
    seconds: float = job["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"]
    return seconds / 3600 / _HOURS_PER_DAY


def _pod_hourly(manifest: Manifest, prices: dict[str, Any]) -> float:
    """Return what one Pod costs an hour: Autopilot raises what is too little, or too little beside the other."""
    rules, hourly = prices["autopilot"], prices["hourly"]
    pod = pod_of(manifest)
    vcpu, gib = _sum(pod["containers"], "cpu"), _sum(pod["containers"], "memory") / _GIB
    for container in pod.get("initContainers", ()):  # one after the other, and before the rest
        vcpu = max(vcpu, _sum([container], "cpu"))
        gib = max(gib, _sum([container], "memory") / _GIB)
    vcpu = max(vcpu, rules["least_vcpu"], gib / rules["most_gib_per_vcpu"])
    vcpu = ceil(round(vcpu / rules["vcpu_step"], 6)) * rules["vcpu_step"]
    gib = max(gib, rules["least_memory_gib"], vcpu * rules["least_gib_per_vcpu"])
    price: float = vcpu * hourly["vcpu"] + gib * hourly["memory_gib"]
    return price


def _sum(of_containers: list[dict[str, Any]], resource: str) -> float:
    return sum(quantity(container["resources"]["requests"][resource]) for container in of_containers)


def _volumes(rendered: Rendered) -> Iterator[float]:
    """Yield the sizes of all disks, in GiB."""
    claims: list[Mapping[str, Any]] = [*rendered.of("PersistentVolumeClaim")]
    for manifest in rendered.of("StatefulSet"):
        claims += manifest["spec"].get("volumeClaimTemplates", [])
    for claim in claims:
        yield quantity(claim["spec"]["resources"]["requests"]["storage"]) / _GIB
