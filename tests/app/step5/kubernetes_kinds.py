"""The kinds of objects that the API server for tests knows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    kind: str
    plural: str
    group: str = ""
    version: str = "v1"
    is_namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def path(self) -> str:
        return f"apis/{self.api_version}" if self.group else f"api/{self.version}"

    @property
    def gvk(self) -> dict[str, str]:
        return {"group": self.group, "version": self.version, "kind": self.kind}

    @property
    def name_of_resource(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def resource(self, verbs: list[str]) -> dict[str, Any]:
        return {
            "name": self.plural,
            "singularName": self.kind.lower(),
            "namespaced": self.is_namespaced,
            "kind": self.kind,
            "verbs": verbs,
        }


def by_plural(kinds: Iterable[Kind], group: str, plural: str) -> Kind | None:
    return next((kind for kind in kinds if (kind.group, kind.plural) == (group, plural)), None)


_GATEWAY_API = "gateway.networking.k8s.io"

KINDS = (
    Kind("Namespace", "namespaces", is_namespaced=False),
    Kind("PersistentVolume", "persistentvolumes", is_namespaced=False),
    Kind("ConfigMap", "configmaps"),
    Kind("PersistentVolumeClaim", "persistentvolumeclaims"),
    Kind("Pod", "pods"),
    Kind("Secret", "secrets"),
    Kind("Service", "services"),
    Kind("ServiceAccount", "serviceaccounts"),
    Kind("Deployment", "deployments", "apps"),
    Kind("ReplicaSet", "replicasets", "apps"),
    Kind("StatefulSet", "statefulsets", "apps"),
    Kind("HorizontalPodAutoscaler", "horizontalpodautoscalers", "autoscaling", "v2"),
    Kind("CronJob", "cronjobs", "batch"),
    Kind("Job", "jobs", "batch"),
    Kind("NetworkPolicy", "networkpolicies", "networking.k8s.io"),
    Kind("PodDisruptionBudget", "poddisruptionbudgets", "policy"),
    Kind("Gateway", "gateways", _GATEWAY_API),
    Kind("HTTPRoute", "httproutes", _GATEWAY_API),
    Kind("GCPBackendPolicy", "gcpbackendpolicies", "networking.gke.io"),
    Kind("HealthCheckPolicy", "healthcheckpolicies", "networking.gke.io"),
    Kind("ScaledObject", "scaledobjects", "keda.sh", "v1alpha1"),
    Kind("TriggerAuthentication", "triggerauthentications", "keda.sh", "v1alpha1"),
    Kind("PodMonitoring", "podmonitorings", "monitoring.googleapis.com"),
    Kind("SecretProviderClass", "secretproviderclasses", "secrets-store.csi.x-k8s.io"),
)
