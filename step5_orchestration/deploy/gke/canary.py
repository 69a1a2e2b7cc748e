"""A canary: the new container images beside the old ones, with a growing share of the requests, until it is decided."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from step5_orchestration.deploy.errors import DeployError, NothingToGoBackToError
from step5_orchestration.deploy.gke.apply import apply_told
from step5_orchestration.deploy.gke.canary_figures import Figures, Prometheus
from step5_orchestration.deploy.gke.canary_judge import Impression, Judge, Limits, Verdict
from step5_orchestration.deploy.gke.manifests import WORKLOADS, Manifest, Rendered
from step5_orchestration.deploy.gke.migrations import migrate
from step5_orchestration.deploy.gke.rollout import wait_until_rolled_out
from step5_orchestration.deploy.gke.workplace import Cluster

COMPONENT = "canary"
PARTS = ("frontend", "gateway")  # that a canary has of its own

_ROUTE = "httproutes.gateway.networking.k8s.io"
_NAME = "classifier"
_TRACK = "canary"
_STABLE: Mapping[str, str | int] = {"name": "frontend", "port": 8080}  # as the manifest has it
_HEALTHY_S = 60.0  # a load balancer has found out by then; it answers 503 in the place of whom it does not know yet
_DRAINED_S = 60.0  # requests that have begun there may last so long
_KINDS = "deployments,services,serviceaccounts,horizontalpodautoscalers,poddisruptionbudgets"
_POLICIES = "gcpbackendpolicies.networking.gke.io,healthcheckpolicies.networking.gke.io"


class CanaryRefusedError(DeployError):
    """The new version is not as good as the one that serves."""

    code = "canary_refused"


@dataclass(frozen=True)
class Trial:
    """How a canary is tried."""

    prometheus: Prometheus
    weights: Sequence[int] = (5, 25, 50)  # percent of the requests, one after the other
    look_every_s: float = 30.0
    window_s: int = 120
    limits: Limits = field(default_factory=Limits)


def try_canary(rendered: Rendered, cluster: Cluster, trial: Trial, timeout_s: float) -> None:
    """Run the canary at each weight, and remove it. Raises CanaryRefusedError; whatever happens, it is gone after."""
    if not cluster.kubectl.get(_ROUTE, _NAME):
        raise NothingToGoBackToError("Nothing is deployed that a canary could stand beside.", "Apply without --canary.")
    try:
        apply_told(_of_canary(rendered), cluster)
        for job in rendered.of("Job"):
            migrate(job, cluster)
        wait_until_rolled_out([one for one in rendered.of(*WORKLOADS) if _is_canary(one)], cluster, timeout_s)
        _set_weight(0, cluster)
        cluster.progress.waiting("waiting until the load balancer knows the canary")
        cluster.clock.sleep(_HEALTHY_S)
        for weight in trial.weights:
            _set_weight(weight, cluster)
            _watch(weight, cluster, trial)
    finally:
        remove_canary(cluster)


def remove_canary(cluster: Cluster) -> None:
    """Send every request to what has served before, and remove the canary. Raises DeployError."""
    _route_to([_STABLE], cluster)
    cluster.progress.waiting("waiting for what the canary has in work")
    cluster.clock.sleep(_DRAINED_S)
    cluster.kubectl.run("delete", f"{_KINDS},{_POLICIES}", "--selector", f"track={_TRACK}", "--wait")
    cluster.progress.say("The canary is removed.")


def _watch(weight: int, cluster: Cluster, trial: Trial) -> None:
    """Look at the figures until they are decided about. Raises CanaryRefusedError."""
    judge = Judge(trial.limits)
    while True:
        cluster.progress.waiting(f"watching the canary at {weight} %")
        cluster.clock.sleep(trial.look_every_s)
        canary = trial.prometheus.figures(_TRACK, trial.window_s)
        stable = trial.prometheus.figures("stable", trial.window_s)
        impression, verdict = judge.look(canary, stable)
        cluster.progress.say(f"{weight} %: {impression.value}. Canary: {canary}. Stable: {stable}.")
        if verdict is Verdict.GO_ON:
            return
        if verdict is Verdict.GO_BACK:
            raise _refused(impression, canary, stable)


def _refused(impression: Impression, canary: Figures, stable: Figures) -> CanaryRefusedError:
    return CanaryRefusedError(
        f"The canary is {impression.value}, and was gone back from. Canary: {canary}. Stable: {stable}.",
        "Look at its log and at http_problems_total for what differs; with too few requests, lower --min-requests.",
    )


def _set_weight(percent: int, cluster: Cluster) -> None:
    canary = {**_STABLE, "name": "frontend-canary", "weight": percent}
    _route_to([{**_STABLE, "weight": 100 - percent}, canary], cluster)
    cluster.progress.say(f"The canary gets {percent} % of the requests.")


def _route_to(backends: Sequence[Mapping[str, str | int]], cluster: Cluster) -> None:
    change = [{"op": "replace", "path": "/spec/rules/0/backendRefs", "value": backends}]
    cluster.kubectl.run("patch", _ROUTE, _NAME, "--type=json", f"--patch={json.dumps(change)}")


def _of_canary(rendered: Rendered) -> list[Manifest]:
    """Return what is the canary's own, and the settings: what serves is not to be touched."""
    return [one for one in rendered.manifests if _is_canary(one) or one["kind"] == "ConfigMap"]


def _is_canary(manifest: Manifest) -> bool:
    return bool(manifest["metadata"].get("labels", {}).get("track") == _TRACK)
