"""What each verb for Kubernetes does, in order, and what it prints: results on stdout, progress on stderr."""

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from step5_orchestration.deploy.clock import SystemClock
from step5_orchestration.deploy.container_images import ContainerImages, read_container_images
from step5_orchestration.deploy.errors import ConfigurationError
from step5_orchestration.deploy.gke.apply import apply, roll_back
from step5_orchestration.deploy.gke.canary import COMPONENT, PARTS, Trial, try_canary
from step5_orchestration.deploy.gke.canary_figures import Prometheus
from step5_orchestration.deploy.gke.canary_judge import Limits
from step5_orchestration.deploy.gke.cost import check_budget, estimate, read_prices
from step5_orchestration.deploy.gke.destroy import destroy
from step5_orchestration.deploy.gke.kubectl import Kubectl
from step5_orchestration.deploy.gke.manifests import NAMESPACE, Overlay, Rendered
from step5_orchestration.deploy.gke.plan import plan_lines
from step5_orchestration.deploy.gke.status import status_lines
from step5_orchestration.deploy.gke.workplace import Check, Cluster
from step5_orchestration.deploy.progress import progress_on_stderr
from step5_orchestration.deploy.smoke_test import smoke_test

_ON_THIS_MACHINE = "local"
_BUILT_HERE = "built-here"  # a revision that was never pushed
_NAMES = ("frontend", "gateway", "worker", "recommender", "trainer")


def run_plan(options: argparse.Namespace) -> int:
    """Show what `apply` would do."""
    with _cluster(options) as cluster:
        rendered, _ = _rendered(options, cluster)
        lines = [*plan_lines(rendered, cluster), *_cost_lines(rendered, options)]
    _print(lines)
    return 0


def run_apply(options: argparse.Namespace) -> int:
    """Do it."""
    with _cluster(options) as cluster:
        trial = _trial(options)
        rendered, revision = _rendered(options, cluster)
        for line in _cost_lines(rendered, options):
            cluster.progress.say(line)
        if trial:
            try_canary(_rendered(options, cluster, COMPONENT)[0], cluster, trial, options.timeout)
        address = apply(rendered, revision, cluster, _check(options))
    if options.overlay == _ON_THIS_MACHINE and not options.address:
        address = f"kubectl --namespace {NAMESPACE} port-forward service/frontend 8080:8080 leads there."
    _print([address])
    return 0


def run_status(options: argparse.Namespace) -> int:
    """Show what there is."""
    with _cluster(options) as cluster:
        lines = list(status_lines(cluster.kubectl))
    _print(lines)
    return 0


def run_rollback(options: argparse.Namespace) -> int:
    """Go back."""
    with _cluster(options) as cluster:
        revision = roll_back(cluster, _check(options))
    _print([f"{revision} serves again."])
    return 0


def run_destroy(options: argparse.Namespace) -> int:
    """Remove it."""
    if not options.yes:
        raise ConfigurationError(
            f"The namespace {NAMESPACE} would be removed, with its queue, its disks and its load balancer.",
            "Say --yes if that is what you want.",
        )
    with _cluster(options) as cluster:
        destroy(cluster)
    return 0


def _check(options: argparse.Namespace) -> Check:
    return Check(partial(smoke_test, timeout_s=options.timeout), options.address, options.timeout)


def _trial(options: argparse.Namespace) -> Trial | None:
    if not options.canary:
        return None
    if not options.prometheus:
        raise ConfigurationError("A canary is judged by figures.", "Say where they are: --prometheus URL.")
    prometheus = Prometheus(options.prometheus, NAMESPACE, os.environ.get("PROMETHEUS_TOKEN"))
    return Trial(prometheus, options.weights, options.look_every, limits=Limits(min_requests=options.min_requests))


def _rendered(options: argparse.Namespace, cluster: Cluster, *components: str) -> tuple[Rendered, str]:
    """Return the manifests that are meant, and the git revision of their container images."""
    images = _images(options)
    by_name: Mapping[str, str] = images.by_name
    if components:
        by_name = {**by_name, **{f"{name}-canary": images[name] for name in PARTS}}
    overlay = Overlay(options.overlay, options.place, components)
    return overlay.render(by_name, cluster.kubectl), images.revision


def _images(options: argparse.Namespace) -> ContainerImages:
    """Return which container images are meant. Raises ContainerImagesError."""
    if options.tag:
        return ContainerImages(_BUILT_HERE, {name: f"classifier/{name}:{options.tag}" for name in _NAMES})
    return read_container_images(options.images)


def _cost_lines(rendered: Rendered, options: argparse.Namespace) -> Iterator[str]:
    """Yield what it costs, and hold it to the budget. Raises OverBudgetError."""
    if options.overlay != _ON_THIS_MACHINE:
        cost = estimate(rendered, read_prices())
        yield from cost.lines()
        check_budget(cost, options.budget)


@contextmanager
def _cluster(options: argparse.Namespace) -> Iterator[Cluster]:
    with progress_on_stderr() as progress:
        try:
            yield Cluster(Kubectl(NAMESPACE, options.context), progress, SystemClock())
        except KeyboardInterrupt as stop:
            stop.add_note("The same command goes on where it was stopped.")
            raise


def _print(lines: Iterable[str]) -> None:
    print("\n".join(lines))  # noqa: T201 - results
