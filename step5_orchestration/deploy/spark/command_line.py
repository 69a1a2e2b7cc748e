"""Clean and train on a cluster: `python -m step5_orchestration.deploy spark plan --on emr`.

`plan` prints what would be sent and asks nobody; `submit` sends exactly that.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import boto3

from step5_orchestration.deploy.aws_errors import explained
from step5_orchestration.deploy.spark.arguments import uploads
from step5_orchestration.deploy.spark.aws import AwsRequest, emr, emr_serverless
from step5_orchestration.deploy.spark.commands import Command, dataproc, kubernetes, local
from step5_orchestration.deploy.spark.parameters import (
    PARAMETERS,
    PLATFORMS,
    Dataproc,
    Emr,
    EmrServerless,
    Kubernetes,
    Parameters,
    read_parameters,
    refuse_placeholders,
)
from step5_orchestration.deploy.spark.source import Source, read_source
from step5_orchestration.deploy.spark.storage import upload

_POLICY = "step5_orchestration/spark/iam/submit.json"


@dataclass(frozen=True)
class Submission:
    """What has to lie somewhere, and what is then asked of AWS or run here."""

    files: dict[str, bytes]
    request: AwsRequest | None = None
    commands: Sequence[Command] = field(default_factory=tuple)


def submission(parameters: Parameters, source: Source) -> Submission:
    """Return what a job takes on the platform that the parameters were read for."""
    files = uploads(parameters.job, source)
    match parameters.platform:
        case Emr() as to:
            return Submission(files, request=emr(parameters, source, to))
        case EmrServerless() as to:
            return Submission(files, request=emr_serverless(parameters, source, to))
        case Dataproc() as to:
            return Submission(files, commands=dataproc(parameters, source, to))
        case Kubernetes() as to:
            return Submission({}, commands=kubernetes(parameters, to))
        case to:
            return Submission(files, commands=local(parameters, source, to))


def add_verbs(parser: argparse.ArgumentParser) -> None:
    """Add what can be done."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add(verbs.add_parser("plan", help="print what would be sent"), plan)
    _add(verbs.add_parser("submit", help="send it, or, on this machine, run it"), submit)


def _add(verb: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    verb.add_argument("--on", choices=PLATFORMS, required=True, help="where")
    verb.add_argument("--parameters", type=Path, default=PARAMETERS, metavar="FILE", help="(default: %(default)s)")
    verb.set_defaults(run=run)


def plan(options: argparse.Namespace) -> int:
    """Print the files, and the request or the commands."""
    planned = submission(read_parameters(options.parameters, options.on), read_source())
    for address, contents in planned.files.items():
        _print(f"# {len(contents):,} bytes to {address}")
    if planned.request:
        _print(f"# {planned.request.service} {planned.request.operation}, {planned.request.region}")
        _print(json.dumps(planned.request.request, indent=2))
    for command in planned.commands:
        _print(str(command))
    return 0


def submit(options: argparse.Namespace) -> int:
    """Copy the files, and send the request or run the commands."""
    parameters = read_parameters(options.parameters, options.on)
    refuse_placeholders(parameters)
    planned = submission(parameters, read_source())
    region = planned.request.region if planned.request else None
    with explained(_POLICY):
        for address, contents in planned.files.items():
            upload(contents, address, boto3.client("s3", region_name=region) if region else None)
            _print(f"copied: {address}")
        if planned.request:
            watch = planned.request.send(boto3.client(planned.request.service, region_name=region))
            _print(f"submitted. How far it is: {watch}")
    for command in planned.commands:
        command.run()
    return 0


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what was asked for
