"""How many workers there are to be: the rules of Kubernetes's HorizontalPodAutoscaler, which KEDA uses as well.

Its algorithm: https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import yaml

from tests.app.serving import ROOT

MANIFEST = ROOT / "step5_orchestration/gke/components/keda/worker-scaling.yaml"
SYNC_S = 15  # how often it looks
TOLERANCE = 0.1  # a difference smaller than that is none


@dataclass(frozen=True)
class Sample:
    """What is seen of all workers at one time."""

    waiting: float
    in_work: float
    busy: float  # workers that are in a call


Wanted = Callable[[Sample], float]


def by_pictures(target: float) -> Wanted:
    """Want so many workers that each has `target` pictures waiting or in work."""
    return lambda seen: (seen.waiting + seen.in_work) / target


def by_waiting(target: float) -> Wanted:
    """Want so many workers that each has `target` pictures waiting, as a trigger on a Redis list does."""
    return lambda seen: seen.waiting / target


def by_processor(target: float) -> Wanted:
    """Want so many workers that each is busy for that part of the time."""
    return lambda seen: seen.busy / target


@dataclass(frozen=True)
class Policy:
    """How many may come or go within a time."""

    kind: str  # Pods, or Percent of those that there were
    value: int
    period_s: int

    def of(self, workers: int) -> float:
        """Return how many that is."""
        return self.value if self.kind == "Pods" else workers * self.value / 100


@dataclass(frozen=True)
class Settings:
    """What a ScaledObject says."""

    least: int
    most: int
    target: float
    up: Sequence[Policy]
    down: Sequence[Policy]
    down_after_s: int


def read_settings() -> Settings:
    """Return what the manifests of step 5 say."""
    spec = next(iter(yaml.safe_load_all(MANIFEST.read_text())))["spec"]
    behaviour = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    return Settings(
        spec["minReplicaCount"],
        spec["maxReplicaCount"],
        float(spec["triggers"][0]["metadata"]["threshold"]),
        _policies(behaviour["scaleUp"]),
        _policies(behaviour["scaleDown"]),
        behaviour["scaleDown"]["stabilizationWindowSeconds"],
    )


def _policies(rules: Mapping[str, Any]) -> list[Policy]:
    return [Policy(rule["type"], rule["value"], rule["periodSeconds"]) for rule in rules["policies"]]


class Autoscaler:
    """Decides every SYNC_S seconds, and remembers what it has decided."""

    def __init__(self, settings: Settings, wanted: Wanted) -> None:
        """Begin with nothing to remember."""
        self._settings = settings
        self._wanted = wanted
        self._recommended: deque[tuple[float, int]] = deque()
        self._counts: deque[tuple[float, int]] = deque()

    def decide(self, now_s: float, workers: int, seen: Sample) -> int:
        """Return how many workers there are to be, given how many there are, and what was seen of them."""
        rules = self._settings
        wanted = self._wanted(seen)
        recommended = workers if abs(1 - wanted / workers) <= TOLERANCE else ceil(wanted)
        self._recommended.append((now_s, recommended))
        self._counts.append((now_s, workers))
        _forget(self._recommended, now_s - rules.down_after_s)
        _forget(self._counts, now_s - max(policy.period_s for policy in (*rules.up, *rules.down)))
        if recommended < workers:  # the most that was wanted lately, so that a short calm takes nobody away
            recommended = min(workers, max(count for _, count in self._recommended))
        lowest = min(self._before(now_s, policy) - policy.of(self._before(now_s, policy)) for policy in rules.down)
        highest = max(self._before(now_s, policy) + policy.of(self._before(now_s, policy)) for policy in rules.up)
        allowed = min(ceil(highest), max(int(lowest), recommended))
        return min(rules.most, max(rules.least, allowed))

    def _before(self, now_s: float, policy: Policy) -> int:
        """Return how many workers there were when the policy's period began."""
        return next(count for at, count in self._counts if at > now_s - policy.period_s)


def _forget(remembered: deque[tuple[float, int]], before_s: float) -> None:
    while remembered[0][0] < before_s:
        remembered.popleft()
