"""The verbs for Kubernetes, on Google and on a laptop: their names, and what can be given with them."""

import argparse
from collections.abc import Callable
from pathlib import Path

from step5_orchestration.deploy.container_images import PUSHED
from step5_orchestration.deploy.gke.manifests import overlays
from step5_orchestration.deploy.gke.verbs import run_apply, run_destroy, run_plan, run_rollback, run_status

Verb = Callable[[argparse.Namespace], int]


def add_verbs(parser: argparse.ArgumentParser) -> None:
    """Add the verbs and their options to the parser of this platform."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add_common(plan := _verb(verbs, "plan", "show what apply would change, and what it costs", run_plan))
    _add_wanted(plan)
    _add_common(do := _verb(verbs, "apply", "do it, check it, and go back if it does not answer", run_apply))
    _add_wanted(do)
    _add_check(do)
    do.add_argument("--canary", action="store_true", help="give it a growing share of the requests first")
    do.add_argument("--prometheus", metavar="URL", help="whose figures decide about the canary")
    do.add_argument("--weights", type=_weights, default=(5, 25, 50), help="percent, in order (default: 5,25,50)")
    do.add_argument("--look-every", type=_positive(float), default=30.0, metavar="S", help="seconds (default: 30)")
    do.add_argument("--min-requests", type=_positive(int), default=100, help="of the canary, to be judged by")
    _add_common(_verb(verbs, "status", "show what is there", run_status))
    _add_common(back := _verb(verbs, "rollback", "go back to what the last apply has replaced", run_rollback))
    _add_check(back)
    _add_common(gone := _verb(verbs, "destroy", "remove all of it, data included", run_destroy))
    gone.add_argument("--yes", action="store_true", help="without it nothing is removed")


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, does: str, run: Verb
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.")
    verb.set_defaults(run=run)
    return verb


def _add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every verb takes."""
    parser.add_argument("--context", help="of kubectl (default: the current one)")


def _add_wanted(parser: argparse.ArgumentParser) -> None:
    """Add what is to be there."""
    parser.add_argument("--overlay", choices=overlays(), default="gke", help="which manifests (default: %(default)s)")
    parser.add_argument("--images", type=Path, default=PUSHED, help="what was pushed (default: %(default)s)")
    parser.add_argument("--tag", help="instead of pushed container images those that a local cluster has, by this tag")
    parser.add_argument("--place", type=Path, help="your copy of overlays/gke/place.env")
    parser.add_argument("--budget", type=float, metavar="DOLLARS", help="a month, that it may cost at most")


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--address", metavar="URL", help="where people find it (default: that of the load balancer)")
    parser.add_argument(
        "--timeout", type=_positive(float), default=600.0, metavar="S", help="for each rollout (default: 600)"
    )


def _weights(text: str) -> tuple[int, ...]:
    weights = tuple(int(part) for part in text.split(","))
    if not all(0 < weight < 100 for weight in weights):  # noqa: PLR2004 - percent
        raise argparse.ArgumentTypeError(f"{text} are not percents between 1 and 99, with commas between")
    return weights


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """Return what reads a number above zero."""

    def read(text: str) -> float:
        number = kind(text)
        if number <= 0:
            raise argparse.ArgumentTypeError(f"{text} is not above zero")
        return number

    return read
