"""What kubectl complains about, in words that say what to do next."""

import re

from step5_orchestration.deploy.errors import (
    CloudUnreachableError,
    CredentialsError,
    DeployError,
    QuotaError,
    RightsError,
)


class KubectlError(DeployError):
    """kubectl, or the cluster behind it, did not do what it was asked for."""

    code = "kubectl_failed"


class KubectlMissingError(KubectlError):
    """There is no kubectl on this machine."""

    code = "kubectl_missing"


class KindMissingError(KubectlError):
    """The cluster lacks an extension: it does not know a kind of object."""

    code = "kind_missing"


class NotFoundError(KubectlError):
    """There is no such object."""

    code = "not_found"


_SIGN_IN = "Sign in and name the cluster: gcloud container clusters get-credentials CLUSTER --location REGION."

# How a cluster gets the kinds that do not come with Kubernetes, by their group.
_UPDATE = "gcloud container clusters update CLUSTER --location REGION"
_EXTENSIONS = {
    "gateway.networking.k8s.io": f"{_UPDATE} --gateway-api=standard",
    "networking.gke.io": f"{_UPDATE} --gateway-api=standard",
    "monitoring.googleapis.com": f"{_UPDATE} --enable-managed-prometheus",
    "secrets-store.csi.x-k8s.io": f"{_UPDATE} --enable-secret-manager",
    "keda.sh": "helm install keda keda --repo https://kedacore.github.io/charts --namespace keda --create-namespace",
}

_KNOWN: tuple[tuple[str, type[DeployError], str, str], ...] = (
    (
        r"exceeded quota|quota exceeded|QUOTA_EXCEEDED|Quota '",
        QuotaError,
        "The quota does not allow it",
        "Ask for more under IAM & Admin, Quotas, or lower replicas and requests.",
    ),
    (
        r"\(Forbidden\)|is forbidden",
        RightsError,
        "You may not do that in this cluster",
        "Have roles/container.developer granted in the project, or a Role in the namespace.",
    ),
    (
        r"context .* does not exist|current-context is not set|no configuration has been provided",
        CredentialsError,
        "kubectl knows of no cluster",
        _SIGN_IN,
    ),
    (
        r"must be logged in|Unauthorized|gke-gcloud-auth-plugin|getting credentials",
        CredentialsError,
        "The cluster does not know you",
        f"{_SIGN_IN} It needs the component gke-gcloud-auth-plugin.",
    ),
    (
        r"Unable to connect to the server|was refused|connection refused|i/o timeout|no such host",
        CloudUnreachableError,
        "The cluster does not answer",
        "Check the network, and that the cluster is there: gcloud container clusters list.",
    ),
    (
        r"\(NotFound\)|doesn't have a resource type",
        NotFoundError,
        "It is not there",
        "Apply first: python -m step5_orchestration.deploy gke apply.",
    ),
)


def explained(command: str, complaint: str) -> DeployError:
    """Return the error for what `kubectl COMMAND` has written to stderr."""
    last = complaint.strip().splitlines()[-1] if complaint.strip() else "it gives no reason"
    if kinds := re.findall(r'no matches for kind "(\w+)" in version "([^"]+)"', complaint):
        return kinds_missing({version: kind for kind, version in kinds})
    for pattern, error, detail, remedy in _KNOWN:
        if re.search(pattern, complaint):
            return error(f"{detail} (kubectl {command}: {last}).", remedy)
    return KubectlError(f"kubectl {command} failed: {last}.", "Correct what it says, and run the same command again.")


def kinds_missing(kind_by_version: dict[str, str]) -> KindMissingError:
    """Return the error for kinds that the cluster does not know, each under its apiVersion."""
    kinds = ", ".join(f"{kind} ({version})" for version, kind in sorted(kind_by_version.items()))
    groups = sorted({version.partition("/")[0] for version in kind_by_version})
    commands = dict.fromkeys(_EXTENSIONS.get(group, f"install what brings {group}") for group in groups)
    return KindMissingError(f"The cluster does not know {kinds}.", f"Extend it first: {'; '.join(commands)}.")
