"""What each verb for Elastic Beanstalk does, in order, and what it prints: results on stdout, progress on stderr."""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import boto3
import requests
from botocore.config import Config

from step5_orchestration.deploy.clock import SystemClock
from step5_orchestration.deploy.container_images import ContainerImages, read_container_images
from step5_orchestration.deploy.elastic_beanstalk.account import Environment
from step5_orchestration.deploy.elastic_beanstalk.apply import apply, roll_back, settle
from step5_orchestration.deploy.elastic_beanstalk.bundle import make_bundle, unpack
from step5_orchestration.deploy.elastic_beanstalk.cost import check_budget, estimate, read_prices
from step5_orchestration.deploy.elastic_beanstalk.deployment import Deployment
from step5_orchestration.deploy.elastic_beanstalk.destroy import destroy
from step5_orchestration.deploy.elastic_beanstalk.plan import make_plan
from step5_orchestration.deploy.elastic_beanstalk.registry import check_pushed
from step5_orchestration.deploy.elastic_beanstalk.status import fetch_logs, status_lines
from step5_orchestration.deploy.elastic_beanstalk.wanted import read_wanted
from step5_orchestration.deploy.elastic_beanstalk.workplace import Clients, Workplace
from step5_orchestration.deploy.errors import ConfigurationError, DeployError
from step5_orchestration.deploy.progress import progress_on_stderr
from step5_orchestration.deploy.smoke_test import smoke_test

_READY_WITHIN_S = 300  # after Beanstalk calls it healthy: names and load balancers follow
_FETCH_TIMEOUT_S = 60
_API_KEY = "SMOKE_TEST_API_KEY"  # for a deployment that has API_KEYS_SHA256; a variable, since options are seen by all
_PATIENT = Config(retries={"mode": "standard", "max_attempts": 8})  # a deployment is long, and networks have moments


def run_plan(options: argparse.Namespace) -> int:
    """Show what `apply` would do, and whether it would refuse to for its cost."""
    wanted, images = read_wanted(options), read_container_images(options.images)
    with _workplace(options) as at:
        bundle = make_bundle(wanted, images)
        cost = estimate(wanted, at.clients.region, read_prices())
        plan = make_plan(wanted, bundle.label, at.clients, cost, at.clock.now().date())
        check_pushed(images.by_name.values(), at.clients)
    _print(plan.lines())
    check_budget(cost, options.budget)
    return 0


def run_apply(options: argparse.Namespace) -> int:
    """Do it."""
    wanted, images = read_wanted(options), read_container_images(options.images)
    with _workplace(options) as at:
        environment = bring_about(wanted, images, options.budget, at)
    _print([environment.address])
    return 0


def bring_about(wanted: Deployment, images: ContainerImages, budget: float | None, at: Workplace) -> Environment:
    """Hold the deployment to its budget, then plan and apply it. Raises DeployError."""
    cost = estimate(wanted, at.clients.region, read_prices())
    check_budget(cost, budget)
    bundle = make_bundle(wanted, images)
    check_pushed(images.by_name.values(), at.clients)
    settle(at)
    plan = make_plan(wanted, bundle.label, at.clients, cost, at.clock.now().date())
    for line in plan.lines():
        at.progress.say(line)
    return apply(plan, bundle, at)


def run_bundle(options: argparse.Namespace) -> int:
    """Write the bundle, unpacked."""
    bundle = make_bundle(read_wanted(options), read_container_images(options.images))
    _print([str(path) for path in unpack(bundle, options.output)])
    return 0


def run_status(options: argparse.Namespace) -> int:
    """Show what there is."""
    with _workplace(options) as at:
        lines = list(status_lines(at))
    _print(lines)
    return 0


def run_logs(options: argparse.Namespace) -> int:
    """Print what the instances have written last."""
    with _workplace(options) as at:
        lines = list(fetch_logs(at, fetch))
    _print(lines)
    return 0


def run_rollback(options: argparse.Namespace) -> int:
    """Go back."""
    with _workplace(options) as at:
        environment = roll_back(at)
    _print([f"{environment.address} runs {environment.version_label}"])
    return 0


def run_destroy(options: argparse.Namespace) -> int:
    """Remove all of it, once the name has been typed."""
    with _workplace(options) as at:
        if not options.yes:
            _confirm(at)
        destroy(at)
    _print(["Nothing of it is left."])
    return 0


def fetch(address: str) -> str:
    """Return the text at an address. Raises DeployError."""
    try:
        reply = requests.get(address, timeout=_FETCH_TIMEOUT_S)
        reply.raise_for_status()
    except requests.RequestException as error:
        raise DeployError(f"The logs cannot be fetched: {error}.", "Try again.") from error
    return reply.text


@contextmanager
def _workplace(options: argparse.Namespace) -> Iterator[Workplace]:
    session = boto3.Session(profile_name=options.profile, region_name=options.region)
    clients = Clients(
        beanstalk=session.client("elasticbeanstalk", config=_PATIENT),
        s3=session.client("s3", config=_PATIENT),
        sts=session.client("sts", config=_PATIENT),
        ecr=session.client("ecr", config=_PATIENT),
    )
    with progress_on_stderr() as progress:
        yield Workplace(
            application=options.application,
            environment=options.environment,
            clients=clients,
            clock=SystemClock(),
            progress=progress,
            smoke_test=partial(smoke_test, timeout_s=_READY_WITHIN_S, api_key=os.environ.get(_API_KEY)),
            timeout=timedelta(minutes=options.timeout_minutes),
        )


def _confirm(at: Workplace) -> None:
    """Have the environment's name typed. Raises ConfigurationError."""
    if not sys.stdin.isatty():
        raise ConfigurationError("Nobody is there to be asked.", "Say --yes if it is to be removed.")
    sys.stderr.write(f"This removes {at.environment} in {at.clients.region}, and what is stored on its instances.\n")
    sys.stderr.write("Type its name to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != at.environment:
        raise ConfigurationError("That is not its name.", "Nothing was removed.")


def _print(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
