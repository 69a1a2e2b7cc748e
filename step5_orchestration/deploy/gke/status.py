"""What is there, in words."""

from collections.abc import Iterator

from step5_orchestration.deploy.gke.address import GATEWAYS, address_of
from step5_orchestration.deploy.gke.kubectl import Kubectl
from step5_orchestration.deploy.gke.manifests import containers
from step5_orchestration.deploy.gke.record import read_record


def status_lines(kubectl: Kubectl) -> Iterator[str]:
    """Yield what is deployed, whether it runs, and where it is found. Raises DeployError."""
    if not kubectl.get("namespace", kubectl.namespace):
        yield "Nothing is deployed."
        return
    record = read_record(kubectl)
    if record:
        yield f"{record.revision}, applied {record.at}{'' if record.is_done else ', and not to its end'}"
    for workload in kubectl.items("deployments,statefulsets"):
        wanted = workload["spec"].get("replicas", 1)
        ready = workload.get("status", {}).get("readyReplicas", 0)
        images = ", ".join(container["image"] for container in containers(workload))
        yield f"{workload['metadata']['name']:16} {ready} of {wanted} ready  {images}"
    for scaler in kubectl.items("horizontalpodautoscalers"):
        spec, now = scaler["spec"], scaler.get("status", {}).get("currentReplicas", 0)
        bounds = f"{spec.get('minReplicas', 1)} to {spec['maxReplicas']}"
        yield f"{spec['scaleTargetRef']['name']:16} scaled from {bounds}, now {now}"
    for gateway in kubectl.items(GATEWAYS):
        yield f"found at {address_of(gateway) or '(the load balancer has no address yet)'}"
