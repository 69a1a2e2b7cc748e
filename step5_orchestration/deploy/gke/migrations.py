"""The Job that brings the database's tables up to date, run anew for each deployment."""

from contextlib import suppress
from typing import Any

from step5_orchestration.deploy.clock import pauses
from step5_orchestration.deploy.errors import DeployError, UpdateFailedError, UpdateTimeoutError
from step5_orchestration.deploy.gke.manifests import Manifest, as_text
from step5_orchestration.deploy.gke.workplace import Cluster

_WITHIN_S = 300.0


def migrate(job: Manifest, cluster: Cluster) -> None:
    """Run the Job to its end. Raises DeployError."""
    name = job["metadata"]["name"]
    # A Job cannot be changed, and one that has ended does not run again.
    cluster.kubectl.run("delete", "job", name, "--ignore-not-found", "--wait")
    cluster.kubectl.apply(as_text([job]))
    waits = pauses(cluster.clock, _WITHIN_S)
    while not _has_succeeded(cluster.kubectl.get("job", name), name, cluster):
        waited_s = next(waits, None)
        if waited_s is None:
            detail = f"job/{name} has not ended within {_WITHIN_S:.0f} s.{_last_words(name, cluster)}"
            raise UpdateTimeoutError(detail, _look_at(name, cluster))
        cluster.progress.waiting(f"waiting for job/{name}, {waited_s:.0f} s")
    cluster.progress.say(f"job/{name} is done.")


def _has_succeeded(job: dict[str, Any] | None, name: str, cluster: Cluster) -> bool:
    """Return whether it has; raise UpdateFailedError where it never will."""
    conditions = (job or {}).get("status", {}).get("conditions", ())
    ended = {condition["type"] for condition in conditions if condition["status"] == "True"}
    if "Failed" in ended:
        raise UpdateFailedError(
            f"job/{name} has failed; the services were left alone.{_last_words(name, cluster)}", _look_at(name, cluster)
        )
    return "Complete" in ended


def _last_words(name: str, cluster: Cluster) -> str:
    with suppress(DeployError):
        if said := cluster.kubectl.run("logs", f"job/{name}", "--tail=1").strip():
            return f" It said: {said}"
    return ""


def _look_at(name: str, cluster: Cluster) -> str:
    return f"Look at all that it said: kubectl --namespace {cluster.kubectl.namespace} logs job/{name}."
