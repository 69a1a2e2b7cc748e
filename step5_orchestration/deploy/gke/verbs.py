"""The verbs for Google Kubernetes Engine, and for a cluster on this machine."""

import argparse
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from step5_orchestration.deploy.clock import SystemClock
from step5_orchestration.deploy.errors import ConfigurationError
from step5_orchestration.deploy.gke.apply import apply, roll_back
from step5_orchestration.deploy.gke.canary import COMPONENT, PARTS, Trial, try_canary
from step5_orchestration.deploy.gke.canary_figures import Prometheus
from step5_orchestration.deploy.gke.canary_judge import Limits
from step5_orchestration.deploy.gke.cost import check_budget, estimate, read_prices
from step5_orchestration.deploy.gke.destroy import destroy
from step5_orchestration.deploy.gke.kubectl import Kubectl
from step5_orchestration.deploy.gke.manifests import NAMESPACE, Rendered
from step5_orchestration.deploy.gke.options import (
    Check,
    Cluster,
    add_common,
    add_wanted,
    images_of,
    overlay_of,
    positive,
)
from step5_orchestration.deploy.gke.plan import plan_lines
from step5_orchestration.deploy.gke.status import status_lines
from step5_orchestration.deploy.progress import progress_on_stderr
from step5_orchestration.deploy.smoke_test import smoke_test

_ON_THIS_MACHINE = "local"

Verb = Callable[[argparse.Namespace], int]


def add_verbs(parser: argparse.ArgumentParser) -> None:
    """Add the verbs and their options to the parser of this platform."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    add_common(plan := _verb(verbs, "plan", "show what apply would change, and what it costs", run_plan))
    add_wanted(plan)
    add_common(do := _verb(verbs, "apply", "do it, check it, and go back if it does not answer", run_apply))
    add_wanted(do)
    _add_check(do)
    do.add_argument("--canary", action="store_true", help="give it a growing share of the requests first")
    do.add_argument("--prometheus", metavar="URL", help="whose figures decide about the canary")
    do.add_argument("--weights", type=_weights, default=(5, 25, 50), help="percent, in order (default: 5,25,50)")
    do.add_argument("--look-every", type=positive(float), default=30.0, metavar="S", help="seconds (default: 30)")
    do.add_argument("--min-requests", type=positive(int), default=100, help="of the canary, to be judged by")
    add_common(_verb(verbs, "status", "show what is there", run_status))
    add_common(back := _verb(verbs, "rollback", "go back to what the last apply has replaced", run_rollback))
    _add_check(back)
    add_common(gone := _verb(verbs, "destroy", "remove all of it, data included", run_destroy))
    gone.add_argument("--yes", action="store_true", help="without it nothing is removed")


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
        record = roll_back(cluster, _check(options))
    _print([f"What was there before {record.revision} serves again."])
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


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, does: str, run: Verb
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.")
    verb.set_defaults(run=run)
    return verb


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--address", metavar="URL", help="where people find it (default: that of the load balancer)")
    parser.add_argument(
        "--timeout", type=positive(float), default=600.0, metavar="S", help="for each rollout (default: 600)"
    )


def _check(options: argparse.Namespace) -> Check:
    return Check(partial(smoke_test, timeout_s=options.timeout), options.address, options.timeout)


def _weights(text: str) -> tuple[int, ...]:
    weights = tuple(int(part) for part in text.split(","))
    if not all(0 < weight < 100 for weight in weights):  # noqa: PLR2004 - percent
        raise argparse.ArgumentTypeError(f"{text} are not percents between 1 and 99, with commas between")
    return weights


def _trial(options: argparse.Namespace) -> Trial | None:
    if not options.canary:
        return None
    if not options.prometheus:
        raise ConfigurationError("A canary is judged by figures.", "Say where they are: --prometheus URL.")
    prometheus = Prometheus(options.prometheus, NAMESPACE, os.environ.get("PROMETHEUS_TOKEN"))
    return Trial(prometheus, options.weights, options.look_every, limits=Limits(min_requests=options.min_requests))


def _rendered(options: argparse.Namespace, cluster: Cluster, *components: str) -> tuple[Rendered, str]:
    """Return the manifests that are meant, and the git revision of their container images."""
    images = images_of(options)
    by_name: Mapping[str, str] = images.by_name
    if components:
        by_name = {**by_name, **{f"{name}-canary": images[name] for name in PARTS}}
    overlay = replace(overlay_of(options), components=components)
    return overlay.render(by_name, cluster.kubectl), images.revision


def _cost_lines(rendered: Rendered, options: argparse.Namespace) -> Iterator[str]:
    """Yield what it costs, and hold it to the budget. Raises OverBudgetError."""
    if options.overlay != _ON_THIS_MACHINE:
        cost = estimate(rendered, read_prices())
        yield from cost.lines()
        check_budget(cost, options.budget)


@contextmanager
def _cluster(options: argparse.Namespace) -> Iterator[Cluster]:
    with progress_on_stderr() as progress:
        yield Cluster(Kubectl(NAMESPACE, options.context), progress, SystemClock())


def _print(lines: Iterable[str]) -> None:
    print("\n".join(lines))  # noqa: T201 - results
