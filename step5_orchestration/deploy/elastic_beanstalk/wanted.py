"""From the options of the command line to the deployment that is wanted."""

import argparse
import getpass
import re
from collections.abc import Iterable
from pathlib import Path

from step5_orchestration.deploy.elastic_beanstalk.deployment import Deployment
from step5_orchestration.deploy.errors import ConfigurationError

_INSTANCES = re.compile(r"(?P<least>\d+)(-(?P<most>\d+))?")


def read_wanted(options: argparse.Namespace) -> Deployment:
    """Return the deployment that the options describe. Raises ConfigurationError."""
    least, most = _instances(options.instances)
    return Deployment(
        application=options.application,
        environment=options.environment,
        platform=options.platform,
        owner=options.owner or _user(),
        cname=options.cname or options.environment,
        expires=options.expires,
        instance_type=options.instance_type,
        min_instances=least,
        max_instances=most,
        deployment_policy=options.deployment_policy,
        certificate=options.certificate,
        settings=dict(_settings([*_lines(options.settings), *options.set])),
    )


def _user() -> str:
    """Return who runs this. Raises ConfigurationError where the machine has no name for it, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise ConfigurationError("Nobody is known to be asked about it.", "Name somebody: --owner.") from None


def _instances(text: str) -> tuple[int, int]:
    found = _INSTANCES.fullmatch(text)
    if not found:
        raise ConfigurationError(f"--instances {text} is no number of them.", "Write it like 2, or like 2-6.")
    return int(found["least"]), int(found["most"] or found["least"])


def _lines(path: Path | None) -> list[str]:
    """Return the lines of a file of settings, without comments and what is empty."""
    if path is None:
        return []
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.", "Check --settings.") from error
    return [line for line in lines if line and not line.startswith("#")]


def _settings(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        name, is_given, value = line.partition("=")
        if not is_given or not value:  # the line may be a secret, so no more of it is shown than its name
            raise ConfigurationError(f"{name!r} has no value.", "Write it like NAME=VALUE.")
        yield name, value
