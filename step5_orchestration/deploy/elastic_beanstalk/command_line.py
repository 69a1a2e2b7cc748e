"""The verbs for Elastic Beanstalk: their names, and what can be given with them."""

import argparse
import math
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

from step5_orchestration.deploy.aws_errors import explained
from step5_orchestration.deploy.container_images import PUSHED
from step5_orchestration.deploy.elastic_beanstalk.deployment import DEPLOYMENT_POLICIES
from step5_orchestration.deploy.elastic_beanstalk.verbs import (
    run_apply,
    run_bundle,
    run_destroy,
    run_logs,
    run_plan,
    run_rollback,
    run_status,
)

_POLICIES = "step5_orchestration/elastic_beanstalk/iam"
_MOST = 1_000_000  # dollars a month, or minutes
_READING, _ALL = "read_only.json", "deploy.json"


def add_verbs(parser: argparse.ArgumentParser) -> None:
    """Add Beanstalk's verbs, each with the function that carries it out as `run`."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for name, run, policy, text, groups in (
        ("plan", run_plan, _READING, "show what apply would change, and what it will cost", (_add_wanted, _add_where)),
        (
            "apply",
            run_apply,
            _ALL,
            "create or update the environment, test it, and go back if it fails",
            (_add_wanted, _add_where),
        ),
        ("bundle", run_bundle, _READING, "write what apply would upload into a folder", (_add_wanted, _add_output)),
        ("status", run_status, _READING, "show the environment, its health and its last events", (_add_where,)),
        ("logs", run_logs, _READING, "print the last lines that its instances have written", (_add_where,)),
        ("rollback", run_rollback, _ALL, "go back to the last version that worked", (_add_where,)),
        ("destroy", run_destroy, _ALL, "remove all of it, and make sure that nothing is left", (_add_where, _add_yes)),
    ):
        verb = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        verb.add_argument("--application", default="classifier", help="name of the application (classifier)")
        verb.add_argument("--environment", default="classifier", help="name of its environment (classifier)")
        for add in groups:
            add(verb)
        verb.set_defaults(run=partial(_explained, run, f"{_POLICIES}/{policy}"))


def _add_where(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--region", help="AWS region, such as eu-central-1 (that of the profile)")
    verb.add_argument("--profile", help="profile of ~/.aws/config (AWS_PROFILE)")
    verb.add_argument("--timeout-minutes", type=_positive, default=30, metavar="N", help="for one change (30)")


def _add_wanted(verb: argparse.ArgumentParser) -> None:
    add = verb.add_argument
    add("--images", type=Path, default=PUSHED, metavar="FILE", help=f"what was pushed ({PUSHED})")
    add("--platform", choices=("docker", "ecs"), default="docker", help="what runs the containers (docker)")
    add("--cname", help="first part of the address (the environment's name)")
    add("--instance-type", default="t3.medium", metavar="TYPE", help="(t3.medium)")
    add("--instances", default="1", metavar="N or N-M", help="how many, or from how many to how many (1)")
    add("--deployment-policy", choices=DEPLOYMENT_POLICIES, help="(AllAtOnce; Immutable where Redis is elsewhere)")
    add("--certificate", metavar="ARN", help="of Certificate Manager, for https at the load balancer")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a variable of the services; may be repeated")
    add("--settings", type=Path, metavar="FILE", help="such lines in a file, which is better for secrets")
    add("--owner", help="whom to ask about it; a tag (you)")
    add("--expires", type=date.fromisoformat, metavar="YYYY-MM-DD", help="until when it is wanted; a tag (a week)")
    add("--budget", type=_positive, metavar="DOLLARS", help="refuse what costs more a month, by estimate")


def _positive(text: str) -> float:
    """Read a number above zero; neither infinity nor what is no number, which nothing could be held to."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < _MOST:
        raise argparse.ArgumentTypeError(f"{text} is no number between 0 and {_MOST:,}")
    return number


def _add_output(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--output", type=Path, required=True, metavar="DIR", help="an empty or new folder")


def _add_yes(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--yes", action="store_true", help="do not ask")


def _explained(run: Callable[[argparse.Namespace], int], policy: str, options: argparse.Namespace) -> int:
    with explained(policy):
        return run(options)
