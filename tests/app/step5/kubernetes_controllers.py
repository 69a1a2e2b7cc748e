"""What controllers of Kubernetes and of Google make of objects, at once instead of in seconds or minutes."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.app.step5.kubernetes_api import Cluster
    from tests.app.step5.kubernetes_kinds import Kind

Broken = dict[str, str]
"""Container images that do not come up, each with what its Pods say."""


def set_defaults(new: dict[str, Any], before: dict[str, Any] | None) -> None:
    """What the API server adds to what it is given; what an autoscaler has set belongs to that, and stays."""
    if new["kind"] in {"Deployment", "StatefulSet"}:
        new["spec"].setdefault("replicas", before["spec"]["replicas"] if before else 1)
    if new["kind"] == "StatefulSet":
        new["spec"].setdefault("updateStrategy", {"type": "RollingUpdate"})
    if new["kind"] == "Job":
        labels = {"app.kubernetes.io/name": new["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]}
        new["spec"].setdefault("selector", {"matchLabels": labels})


def reconcile(cluster: "Cluster", kind: "Kind", new: dict[str, Any]) -> None:
    act = {
        "Deployment": _deployment,
        "StatefulSet": _stateful_set,
        "Job": _job,
        "Gateway": _gateway,
        "PersistentVolumeClaim": _claim,
        "Namespace": _namespace,
    }.get(kind.kind)
    if act:
        act(cluster, new)


def why_broken(cluster: "Cluster", workload: dict[str, Any]) -> str | None:
    images = [container["image"] for container in workload["spec"]["template"]["spec"]["containers"]]
    return next((why for image, why in cluster.broken.items() if image in images), None)


def _deployment(cluster: "Cluster", deployment: dict[str, Any]) -> None:
    replicas = deployment["spec"]["replicas"]
    reason, _, message = (why_broken(cluster, deployment) or "").partition(": ")
    progressing = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
    if reason:
        progressing = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    deployment["status"] = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": replicas,
        "updatedReplicas": replicas,
        "readyReplicas": 0 if reason else replicas,
        "availableReplicas": 0 if reason else replicas,
        "conditions": [progressing],
    }
    failure = {"type": "ReplicaFailure", "status": "True", "reason": reason, "message": message}
    _put_replica_set(cluster, deployment, [failure] if reason == "FailedCreate" else [])
    name, waiting = deployment["metadata"]["name"], {"reason": reason, "message": message}
    pending = {"phase": "Pending", "containerStatuses": [{"name": name, "state": {"waiting": waiting}}]}
    if reason != "FailedCreate":
        _put_pod(cluster, deployment, pending if reason else {"phase": "Running"})


def _put_replica_set(cluster: "Cluster", owner: dict[str, Any], conditions: list[dict[str, str]]) -> None:
    namespace, name = owner["metadata"]["namespace"], f"{owner['metadata']['name']}-set"
    cluster.objects["replicasets", namespace, name] = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": namespace},
        "status": {"conditions": conditions},
    }


def _put_pod(cluster: "Cluster", owner: dict[str, Any], status: dict[str, Any], log: str = "") -> None:
    namespace, name = owner["metadata"]["namespace"], f"{owner['metadata']['name']}-pod"
    template = owner["spec"]["template"]
    cluster.objects["pods", namespace, name] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
        "status": status,
        "log": log,
    }


def _stateful_set(cluster: "Cluster", new: dict[str, Any]) -> None:
    replicas = new["spec"]["replicas"]
    new["status"] = {
        "observedGeneration": new["metadata"]["generation"],
        "replicas": replicas,
        "readyReplicas": replicas,
        "updatedReplicas": replicas,
        "currentRevision": "1",
        "updateRevision": "1",
    }
    for claim in new["spec"].get("volumeClaimTemplates", ()):
        name = f"{claim['metadata']['name']}-{new['metadata']['name']}-0"
        _disk(cluster, new["metadata"]["namespace"], name)


def _job(cluster: "Cluster", new: dict[str, Any]) -> None:
    why = why_broken(cluster, new)
    condition = {"type": "Failed" if why else "Complete", "status": "True"}
    new["status"] = {"conditions": [condition]}
    _put_pod(cluster, new, {"phase": "Failed" if why else "Succeeded"}, why or "The tables are up to date.\n")


def _gateway(cluster: "Cluster", new: dict[str, Any]) -> None:
    new["status"] = {"addresses": [{"type": "IPAddress", "value": cluster.load_balancer}]}


def _claim(cluster: "Cluster", new: dict[str, Any]) -> None:
    _disk(cluster, new["metadata"]["namespace"], new["metadata"]["name"])


def _disk(cluster: "Cluster", namespace: str, claim: str) -> None:
    cluster.objects["persistentvolumes", "", f"pv-{claim}"] = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pv-{claim}"},
        "spec": {"claimRef": {"namespace": namespace, "name": claim}},
    }


def _namespace(_cluster: "Cluster", new: dict[str, Any]) -> None:
    new.setdefault("status", {"phase": "Active"})
