"""What is deployed, and what that has replaced, kept in the cluster: anybody can go back to it, from anywhere."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from step5_orchestration.deploy.gke.kubectl import Kubectl
from step5_orchestration.deploy.gke.manifests import NAMESPACE, Manifest, as_text

_NAME = "deployed"


@dataclass(frozen=True)
class Record:
    """A deployment: its git revision, when it was begun, what was applied, and the last one before it that worked."""

    revision: str
    at: str
    manifests: Sequence[Manifest]
    before: "Record | None" = None
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


def begun(revision: str, now: datetime, manifests: Sequence[Manifest], kubectl: Kubectl) -> Record:
    """Return the record of a deployment that begins. Raises DeployError.

    One that was interrupted has left half of itself behind: what was before it is what is gone back to.
    """
    last = read_record(kubectl)
    before = replace(last, before=None) if last and last.is_done else last and last.before
    return Record(revision, now.isoformat(timespec="seconds"), manifests, before, is_done=False)


def read_record(kubectl: Kubectl) -> Record | None:
    """Return what the last apply has written, or None where there was none. Raises DeployError."""
    found = kubectl.get("configmap", _NAME)
    return _record(json.loads(found["data"]["record"])) if found else None


def _record(written: dict[str, Any]) -> Record:
    before = written.pop("before")
    return Record(**written, before=_record(before) if before else None)
