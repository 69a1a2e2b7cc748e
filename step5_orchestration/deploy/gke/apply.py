"""Applying manifests in an order that can be gone back from: what stands still, then migrations, then the services."""

import secrets
from collections.abc import Sequence
from dataclasses import replace

from step5_orchestration.deploy.errors import DeployError, NothingToGoBackToError
from step5_orchestration.deploy.gke.address import check_named, reached
from step5_orchestration.deploy.gke.kubectl_errors import kinds_missing
from step5_orchestration.deploy.gke.manifests import NAMESPACE, WORKLOADS, Manifest, Rendered, as_text
from step5_orchestration.deploy.gke.migrations import migrate
from step5_orchestration.deploy.gke.record import Record, begun, read_record
from step5_orchestration.deploy.gke.rollout import wait_until_rolled_out
from step5_orchestration.deploy.gke.workplace import Check, Cluster

_SERVICES = (*WORKLOADS, "CronJob", "HorizontalPodAutoscaler", "ScaledObject")
# Not gone back from: what has ended, and what has data, which an older Redis might not be able to read.
_STAYS = ("Job", "StatefulSet", "PersistentVolumeClaim")
_REDIS_SECRET = "redis"  # noqa: S105 - the name of it


def check_kinds(rendered: Rendered, cluster: Cluster) -> None:
    """Raise KindMissingError where the cluster does not know what some manifests are."""
    known = set(cluster.kubectl.run("api-versions").split())
    missing = {one["apiVersion"]: one["kind"] for one in rendered.manifests if one["apiVersion"] not in known}
    if missing:
        raise kinds_missing(missing)


def apply(rendered: Rendered, revision: str, cluster: Cluster, check: Check) -> str:
    """Bring it about and check it; return its address. Raises DeployError, after having gone back where that can be.

    Every step may be done again: who is interrupted calls it once more, or goes back.
    """
    check_named(rendered.manifests, check.address)
    check_kinds(rendered, cluster)
    apply_told(rendered.of("Namespace"), cluster)
    record = begun(revision, cluster.clock.now(), rendered.without(*_STAYS), cluster.kubectl)
    record.write(cluster.kubectl)
    try:
        address = _applied_or_gone_back(rendered, record, cluster, check)
    except KeyboardInterrupt as stop:
        stop.add_note("Half of it is there: `gke rollback` goes back.")
        raise
    replace(record, is_done=True).write(cluster.kubectl)
    return address


def roll_back(cluster: Cluster, check: Check) -> str:
    """Go back to what the last apply has replaced; return the revision of that. Raises DeployError."""
    record = read_record(cluster.kubectl)
    if record is None or record.before is None:
        raise NothingToGoBackToError(
            "The last deployment has replaced nothing that is known to have worked.", "Apply an earlier revision."
        )
    _go_back(record.before, cluster, check)
    return record.before.revision


def apply_told(manifests: Sequence[Manifest], cluster: Cluster) -> None:
    """Apply these, and say so. Raises DeployError."""
    cluster.kubectl.apply(as_text(manifests))
    cluster.progress.say(f"Applied: {', '.join(sorted({manifest['kind'] for manifest in manifests}))}.")


def _applied_or_gone_back(rendered: Rendered, record: Record, cluster: Cluster, check: Check) -> str:
    try:
        apply_told(rendered.without(*_SERVICES, "Namespace", "Job"), cluster)
        _make_redis_secret(rendered, cluster)
        for job in rendered.of("Job"):
            migrate(job, cluster)
        apply_told(rendered.of(*_SERVICES), cluster)
        return _checked(rendered.of(*WORKLOADS), cluster, check)
    except DeployError as error:
        raise _after_going_back(error, record, cluster, check) from error


def _checked(workloads: Sequence[Manifest], cluster: Cluster, check: Check) -> str:
    """Wait for rollouts, then have the golden picture answered; return the address."""
    wait_until_rolled_out(workloads, cluster, check.timeout_s)
    with reached(cluster, check.address) as address:
        cluster.progress.waiting(f"asking {address} for the golden picture")
        check.smoke_test(address)
        cluster.progress.say(f"{address} answers the golden picture right.")
        return address


def _after_going_back(error: DeployError, record: Record, cluster: Cluster, check: Check) -> DeployError:
    """Return the error with what became of the deployment."""
    cluster.progress.say(error.detail)
    if record.before is None:
        return type(error)(f"{error.detail} Nothing was there before, so it was left to be looked at.", error.remedy)
    try:
        _go_back(record.before, cluster, check)
    except DeployError as another:
        return type(error)(f"{error.detail} And going back failed: {another.detail}", another.remedy)
    return type(error)(f"{error.detail} It was gone back from: {record.before.revision} serves again.", error.remedy)


def _go_back(to: Record, cluster: Cluster, check: Check) -> None:
    """Apply what was there before, and check it; it may be done again. Raises DeployError.

    Not by `kubectl rollout undo`: it knows Deployments alone; it numbers anew what it has gone back to, so that nothing
    is found a second time; and fields that it restores are its own, which no later apply of ours removes.
    """
    check_named(to.manifests, check.address)
    cluster.progress.say(f"Going back to {to.revision}.")
    apply_told(to.manifests, cluster)
    _checked([one for one in to.manifests if one["kind"] in WORKLOADS], cluster, check)
    to.write(cluster.kubectl)


def _make_redis_secret(rendered: Rendered, cluster: Cluster) -> None:
    """Make Redis's password where no Secret Manager has one, and none was made before."""
    if rendered.of("SecretProviderClass") or cluster.kubectl.get("secret", _REDIS_SECRET):
        return
    password = secrets.token_urlsafe(24)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _REDIS_SECRET, "namespace": NAMESPACE},
        "stringData": {
            "redis_url": f"redis://:{password}@redis:6379/0",
            "redis_auth": f"requirepass {password}\n",
        },
    }
    apply_told([secret], cluster)
