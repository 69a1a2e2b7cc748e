"""What the last apply has replaced, kept in the cluster: so that anybody can go back to it, from anywhere."""

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime

from step5_orchestration.deploy.gke.kubectl import Kubectl
from step5_orchestration.deploy.gke.manifests import NAMESPACE, as_text

_NAME = "deployed"
_REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True)
class Record:
    """A git revision, when it was deployed, and at which rollout each Deployment was before."""

    revision: str
    at: str
    before: dict[str, int] = field(default_factory=dict)
    is_done: bool = True  # False while it is applied, and after an interruption

    def write(self, kubectl: Kubectl) -> None:
        """Keep it in the cluster. Raises DeployError."""
        record = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": _NAME, "namespace": NAMESPACE},
            "data": {"record": json.dumps(asdict(self))},
        }
        kubectl.apply(as_text([record]))


def begun(revision: str, now: datetime, kubectl: Kubectl) -> Record:
    """Return the record of a deployment that begins. Raises DeployError.

    One that was interrupted has left half of itself behind: what was before it is what is gone back to.
    """
    last = read_record(kubectl)
    before = rollouts(kubectl) if last is None or last.is_done else last.before
    return Record(revision, now.isoformat(timespec="seconds"), before, is_done=False)


def read_record(kubectl: Kubectl) -> Record | None:
    """Return what the last apply has written, or None where there was none. Raises DeployError."""
    found = kubectl.get("configmap", _NAME)
    return Record(**json.loads(found["data"]["record"])) if found else None


def rollouts(kubectl: Kubectl) -> dict[str, int]:
    """Return at which rollout each Deployment is. Raises DeployError.

    Redis, a StatefulSet, is not among them: an older one may not be able to read what a newer one has written.
    """
    return {
        item["metadata"]["name"]: int(item["metadata"].get("annotations", {}).get(_REVISION, 0))
        for item in kubectl.items("deployments")
    }
