"""What controllers of Kubernetes and of Google make of objects, at once instead of in seconds or minutes."""

from copy import deepcopy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.app.step5.kubernetes_api import Cluster
    from tests.app.step5.kubernetes_kinds import Kind

Broken = dict[str, str]
"""Container images that do not come up, each with what its Pods say."""

REVISION = "deployment.kubernetes.io/revision"


def set_defaults(new: dict[str, Any]) -> None:
    """What the API server adds to what it is given."""
    if new["kind"] in {"Deployment", "StatefulSet"}:
        new["spec"].setdefault("replicas", 1)
    if new["kind"] == "StatefulSet":
        new["spec"].setdefault("updateStrategy", {"type": "RollingUpdate"})
    if new["kind"] == "Job":
        labels = {"app.kubernetes.io/name": new["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]}
        new["spec"].setdefault("selector", {"matchLabels": labels})


def reconcile(cluster: "Cluster", kind: "Kind", new: dict[str, Any], before: dict[str, Any] | None) -> None:
    act = {
        "Deployment": _deployment,
        "StatefulSet": _stateful_set,
        "Job": _job,
        "Gateway": _gateway,
        "PersistentVolumeClaim": _claim,
        "Namespace": _namespace,
    }.get(kind.kind)
    if act:
        act(cluster, new, before)


def why_broken(cluster: "Cluster", workload: dict[str, Any]) -> str | None:
    images = [container["image"] for container in workload["spec"]["template"]["spec"]["containers"]]
    return next((why for image, why in cluster.broken.items() if image in images), None)


def _deployment(cluster: "Cluster", new: dict[str, Any], _before: dict[str, Any] | None) -> None:
    """A template that is new gets a ReplicaSet; one that was there before gets its old one, as the newest."""
    metadata, name = new["metadata"], new["metadata"]["name"]
    own = {
        key: one
        for key, one in cluster.objects.items()
        if key[0] == "replicasets" and one["metadata"]["ownerReferences"][0]["uid"] == metadata["uid"]
    }
    numbers = {key: int(one["metadata"]["annotations"][REVISION]) for key, one in own.items()}
    newest = max(numbers.values(), default=0)
    template = new["spec"]["template"]
    same = next((key for key in own if _template_of(own[key]) == template), None)
    if same is None:
        number = newest + 1
        same = ("replicasets", metadata["namespace"], f"{name}-{number}")
        cluster.objects[same] = _replica_set(new, same[2])
    else:
        number = newest if numbers[same] == newest else newest + 1
    cluster.objects[same]["metadata"]["annotations"] = {REVISION: str(number)}
    metadata["annotations"] = {**metadata.get("annotations", {}), REVISION: str(number)}
    _tell_status(cluster, new)


def _template_of(replica_set: dict[str, Any]) -> dict[str, Any]:
    template = deepcopy(replica_set["spec"]["template"])
    del template["metadata"]["labels"]["pod-template-hash"]
    return dict(template)


def _replica_set(deployment: dict[str, Any], name: str) -> dict[str, Any]:
    metadata, template = deployment["metadata"], deepcopy(deployment["spec"]["template"])
    template["metadata"]["labels"]["pod-template-hash"] = name
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "uid": f"uid-{name}",
            "labels": template["metadata"]["labels"],
            "ownerReferences": [{**owner, "controller": True}],
        },
        "spec": {"replicas": 0, "selector": deployment["spec"]["selector"], "template": template},
    }


def _tell_status(cluster: "Cluster", deployment: dict[str, Any]) -> None:
    replicas, name = deployment["spec"]["replicas"], deployment["metadata"]["name"]
    why = why_broken(cluster, deployment)
    progressing = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
    if why:
        progressing = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    deployment["status"] = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": replicas,
        "updatedReplicas": replicas,
        "readyReplicas": 0 if why else replicas,
        "availableReplicas": 0 if why else replicas,
        "conditions": [progressing],
    }
    pod: dict[str, Any] = {"phase": "Pending" if why else "Running"}
    if why:
        reason, _, message = why.partition(": ")
        pod["containerStatuses"] = [{"name": name, "state": {"waiting": {"reason": reason, "message": message}}}]
    _put_pod(cluster, deployment, pod)


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


def _stateful_set(cluster: "Cluster", new: dict[str, Any], _before: dict[str, Any] | None) -> None:
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


def _job(cluster: "Cluster", new: dict[str, Any], _before: dict[str, Any] | None) -> None:
    why = why_broken(cluster, new)
    condition = {"type": "Failed" if why else "Complete", "status": "True"}
    new["status"] = {"conditions": [condition]}
    _put_pod(cluster, new, {"phase": "Failed" if why else "Succeeded"}, why or "The tables are up to date.\n")


def _gateway(cluster: "Cluster", new: dict[str, Any], _before: dict[str, Any] | None) -> None:
    new["status"] = {"addresses": [{"type": "IPAddress", "value": cluster.load_balancer}]}


def _claim(cluster: "Cluster", new: dict[str, Any], _before: dict[str, Any] | None) -> None:
    _disk(cluster, new["metadata"]["namespace"], new["metadata"]["name"])


def _disk(cluster: "Cluster", namespace: str, claim: str) -> None:
    cluster.objects["persistentvolumes", "", f"pv-{claim}"] = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pv-{claim}"},
        "spec": {"claimRef": {"namespace": namespace, "name": claim}},
    }


def _namespace(_cluster: "Cluster", new: dict[str, Any], before: dict[str, Any] | None) -> None:
    if before is None:
        new["status"] = {"phase": "Active"}
