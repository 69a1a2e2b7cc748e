"""What a verb works with: a cluster, the time, whoever watches, and when a deployment counts as done."""

from collections.abc import Callable
from dataclasses import dataclass

from step5_orchestration.deploy.clock import Clock
from step5_orchestration.deploy.gke.kubectl import Kubectl
from step5_orchestration.deploy.progress import Progress


@dataclass(frozen=True)
class Cluster:
    """The cluster that is worked on, and who is told."""

    kubectl: Kubectl
    progress: Progress
    clock: Clock


@dataclass(frozen=True)
class Check:
    """When a deployment counts as done."""

    smoke_test: Callable[[str], None]  # takes an address; raises SmokeTestError
    address: str | None  # where people find it, if it is not to be found out
    timeout_s: float  # for each rollout
