"""Container images: `python -m step4_docker.container_images build|push|sbom|audit|passwords`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import ExpectedError
from step4_docker.container_images.build import Builder, connect
from step4_docker.container_images.catalogue import BUILT, NAMES, SERVED, built_tag, local_name, read_revision
from step4_docker.container_images.errors import PushError
from step4_docker.container_images.packages import audit, packages_of, sbom
from step4_docker.container_images.passwords import FOLDER, make_passwords
from step4_docker.container_images.push import PUSHED, Pusher, sign_in_to_ecr

SBOMS = Path(".data/sbom")
_WITH_PYTHON = tuple(name for name in SERVED if name != "frontend")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the verb says; return the exit code, 1 where an audit has found something."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except ExpectedError as error:
        print(f"{error.detail}\n{error.remedy}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        return 130


def _build(options: argparse.Namespace) -> int:
    arguments = {"MODEL": options.model} | dict(argument.split("=", 1) for argument in options.build_arg)
    builder = Builder(connect(), read_revision(), arguments, options.network, _tell)
    for name in options.names or NAMES:
        builder.build(name)
    if not options.names:  # of some alone, step 4 could not run
        BUILT.parent.mkdir(exist_ok=True)
        BUILT.write_text(builder.revision.tag, encoding="utf-8")
    return 0


def _push(options: argparse.Namespace) -> int:
    try:
        credentials = sign_in_to_ecr(options.registry, SERVED, lambda region: boto3.client("ecr", region_name=region))
    except (BotoCoreError, ClientError) as error:
        raise PushError(
            f"AWS does not let us in: {error}", "Check the credentials: aws sts get-caller-identity."
        ) from error
    Pusher(connect(), read_revision(), options.registry, credentials, _tell).push_all(SERVED)
    _tell(f"{PUSHED} names what step 5 deploys.")
    return 0


def _sbom(_options: argparse.Namespace) -> int:
    client, tag = connect(), built_tag()
    SBOMS.mkdir(parents=True, exist_ok=True)
    for name in _WITH_PYTHON:
        image = local_name(name, tag)
        (SBOMS / f"{name}.cdx.json").write_text(sbom(image, packages_of(client, image)), encoding="utf-8")
        _tell(f"{SBOMS / name}.cdx.json")
    return 0


def _audit(_options: argparse.Namespace) -> int:
    client, tag = connect(), built_tag()
    inside = {package for name in _WITH_PYTHON for package in packages_of(client, local_name(name, tag))}
    found = audit(sorted(inside))
    for one in found:
        _tell(f"{one.package} {one.version}: {one.identifier}, mended in {one.mended_in or 'no release yet'}")
    _tell(f"{len(found)} findings in {len(inside)} packages.")
    return 1 if found else 0


def _passwords(_options: argparse.Namespace) -> int:
    if make_passwords():
        _tell(f"Passwords were made in {FOLDER}.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m step4_docker.container_images", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="verb")
    verb = verbs.add_parser("build", help="build all, which step 4 runs from then on, or some to look at")
    verb.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    verb.add_argument("--model", default="auto", help="which one the worker carries (default: auto)")
    verb.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE", help="such as PYTHON_IMAGE=...")
    verb.add_argument("--network", help="through which packages are installed, such as host")
    verb.set_defaults(run=_build)
    verb = verbs.add_parser("push", help="push to a registry, and write down the digests")
    verb.add_argument("registry", help="such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com/classifier")
    verb.set_defaults(run=_push)
    for name, run, text in (
        ("sbom", _sbom, "write which Python packages each holds"),
        ("audit", _audit, "look up what is known against these packages"),
        ("passwords", _passwords, "make passwords for compose.yaml where there are none"),
    ):
        verbs.add_parser(name, help=text).set_defaults(run=run)
    return parser


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
