"""Rollouts: waiting until what was applied runs, and saying why it does not."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from step5_orchestration.deploy.errors import DeployError, UpdateFailedError
from step5_orchestration.deploy.gke.manifests import Manifest
from step5_orchestration.deploy.gke.workplace import Cluster

_REASONS_TOLD = 3


def wait_until_rolled_out(workloads: Iterable[Manifest], cluster: Cluster, timeout_s: float) -> None:
    """Wait for one after the other, at most so many seconds for each. Raises UpdateFailedError with what Pods say."""
    names = [f"{manifest['kind'].lower()}/{manifest['metadata']['name']}" for manifest in workloads]
    if not names:
        return
    try:
        cluster.kubectl.follow(
            "rollout", "status", *names, f"--timeout={timeout_s:.0f}s", tell=cluster.progress.waiting
        )
    except DeployError as error:
        reasons = list(_reasons(cluster))
        told = f" {'; '.join(reasons)}." if reasons else ""
        raise UpdateFailedError(
            f"Not everything was rolled out: {error.detail}{told}",
            f"Look at the Pods: kubectl --namespace {cluster.kubectl.namespace} describe pods.",
        ) from error
    cluster.progress.say(f"Rolled out: {', '.join(names)}.")


def _reasons(cluster: Cluster) -> Iterator[str]:
    """Yield what keeps Pods from running, the first few; nothing where that cannot be asked."""
    told: set[str] = set()
    with suppress(DeployError):
        for reason in (*_of_replica_sets(cluster), *_of_pods(cluster)):
            if reason not in told and len(told) < _REASONS_TOLD:
                told.add(reason)
                yield reason


def _of_replica_sets(cluster: Cluster) -> Iterator[str]:
    """Yield why Pods could not even be made, such as for a quota or for a policy of the namespace."""
    for item in cluster.kubectl.items("replicasets"):
        for condition in item.get("status", {}).get("conditions", ()):
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                yield condition["message"]


def _of_pods(cluster: Cluster) -> Iterator[str]:
    """Yield why Pods find no node, do not start, or end."""
    for pod in cluster.kubectl.items("pods"):
        name, status = pod["metadata"]["name"], pod.get("status", {})
        for condition in status.get("conditions", ()):
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                yield f"{name}: {condition.get('message', 'no node for it')}"
        for state in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
            waiting = state.get("state", {}).get("waiting", {})
            ended = state.get("lastState", {}).get("terminated", {})
            if waiting.get("reason", "ContainerCreating") not in {"ContainerCreating", "PodInitializing"}:
                yield f"{name}: {waiting['reason']} {waiting.get('message', '')}".strip()
            if ended.get("reason", "Completed") != "Completed":
                yield f"{name}: ended by {ended['reason']} with exit code {ended.get('exitCode')}"
