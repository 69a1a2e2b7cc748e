"""Removing all of it, and making sure that nothing is left which costs money."""

from step5_orchestration.deploy.clock import pauses
from step5_orchestration.deploy.errors import NotDestroyedError
from step5_orchestration.deploy.gke.address import GATEWAYS
from step5_orchestration.deploy.gke.workplace import Cluster

_DISKS_WITHIN_S = 180.0
_WITHIN_S = 900.0  # the load balancer's parts go one after the other
_OUTSIDE = (
    "Outside the cluster, and so not removed: the cluster itself, container images, the bucket, the database, secrets, "
    "and reserved addresses. README.md of gke/ has the commands."
)


def destroy(cluster: Cluster) -> None:
    """Remove the namespace with everything in it. Raises NotDestroyedError where something is left."""
    kubectl = cluster.kubectl
    if kubectl.get("namespace", kubectl.namespace):
        if kubectl.items(GATEWAYS):
            # First and by itself: its controller needs it to find what it has made at Google.
            kubectl.run("delete", GATEWAYS, "--all", "--wait", f"--timeout={_WITHIN_S:.0f}s", timeout_s=_WITHIN_S + 60)
            cluster.progress.say("The load balancer is removed.")
        kubectl.run("delete", "namespace", kubectl.namespace, "--wait=false")
        _wait_until_gone(cluster)
        cluster.progress.say(f"The namespace {kubectl.namespace} is removed.")
    disks = _wait_for_disks(cluster)
    if disks:
        raise NotDestroyedError(
            f"Disks are left, which cost money: {', '.join(disks)}.",
            f"Remove them: kubectl delete persistentvolume {' '.join(disks)}.",
        )
    cluster.progress.say(f"Nothing is left in the cluster. {_OUTSIDE}")


def _wait_until_gone(cluster: Cluster) -> None:
    kubectl, waits = cluster.kubectl, pauses(cluster.clock, _WITHIN_S)
    while found := kubectl.get("namespace", kubectl.namespace):
        waited_s = next(waits, None)
        if waited_s is None:
            why = [one["message"] for one in found.get("status", {}).get("conditions", ()) if one["status"] == "True"]
            raise NotDestroyedError(
                f"The namespace {kubectl.namespace} is still there after {_WITHIN_S:.0f} s. {' '.join(why)}".strip(),
                "Run destroy again; what has finalizers goes when its controller is there.",
            )
        cluster.progress.waiting(f"waiting for what is in the namespace to go, {waited_s:.0f} s")


def _wait_for_disks(cluster: Cluster) -> list[str]:
    """Return the disks that are left of the namespace; they go a little later than what has used them."""
    disks = _disks(cluster)
    waits = pauses(cluster.clock, _DISKS_WITHIN_S)
    while disks and (waited_s := next(waits, None)):
        cluster.progress.waiting(f"waiting for {len(disks)} disks to go, {waited_s:.0f} s")
        disks = _disks(cluster)
    return disks


def _disks(cluster: Cluster) -> list[str]:
    return [
        item["metadata"]["name"]
        for item in cluster.kubectl.items("persistentvolumes")
        if item["spec"].get("claimRef", {}).get("namespace") == cluster.kubectl.namespace
    ]
