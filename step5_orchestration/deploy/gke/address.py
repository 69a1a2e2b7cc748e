"""Where people find what was deployed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from step5_orchestration.deploy.clock import pauses
from step5_orchestration.deploy.errors import ConfigurationError, UpdateTimeoutError
from step5_orchestration.deploy.gke.manifests import Manifest
from step5_orchestration.deploy.gke.workplace import Cluster

GATEWAYS = "gateways.gateway.networking.k8s.io"

_NAME = "classifier"
_WITHIN_S = 600.0  # a new load balancer takes minutes
_FRONTEND = "frontend", 8080


def check_named(manifests: Sequence[Manifest], address: str | None) -> None:
    """Raise ConfigurationError where what is served by a name would be asked by a number."""
    if not address and any(_is_encrypted(one) for one in manifests if one["kind"] == "Gateway"):
        raise ConfigurationError(
            "A certificate is for a name, and what is known of the load balancer is a number.",
            "Say the name: --address https://NAME.",
        )


@contextmanager
def reached(cluster: Cluster, address: str | None) -> Iterator[str]:
    """Yield the address given, or that of the load balancer; without one, a way through kubectl. Raises DeployError."""
    if address:
        yield address
    elif gateway := cluster.kubectl.get(GATEWAYS, _NAME):
        yield _load_balancer(gateway, cluster)
    else:
        with cluster.kubectl.forwarded(*_FRONTEND) as found:
            yield found


def address_of(gateway: Manifest) -> str | None:
    """Return the address that a Gateway has got, if it has."""
    addresses = gateway.get("status", {}).get("addresses", ())
    scheme = "https" if _is_encrypted(gateway) else "http"
    return f"{scheme}://{addresses[0]['value']}" if addresses else None


def _is_encrypted(gateway: Manifest) -> bool:
    return any(one["protocol"] == "HTTPS" for one in gateway["spec"]["listeners"])


def _load_balancer(gateway: Manifest, cluster: Cluster) -> str:
    """Wait for the load balancer's address."""
    waits = pauses(cluster.clock, _WITHIN_S)
    while not (found := address_of(gateway)):
        waited_s = next(waits, None)
        if waited_s is None:
            raise UpdateTimeoutError(
                f"The load balancer has got no address within {_WITHIN_S:.0f} s.",
                f"Look at what Google says: kubectl --namespace {cluster.kubectl.namespace} describe gateway {_NAME}.",
            )
        cluster.progress.waiting(f"waiting for the load balancer's address, {waited_s:.0f} s")
        gateway = cluster.kubectl.get(GATEWAYS, _NAME) or gateway
    return found
