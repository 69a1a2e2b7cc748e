"""What `apply` would change, found out by asking only."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from step5_orchestration.deploy.elastic_beanstalk.account import (
    Environment,
    find_application,
    find_environment,
    find_version,
    is_cname_free,
    newest_stack,
    options_of,
    tags_of,
)
from step5_orchestration.deploy.elastic_beanstalk.cost import Estimate
from step5_orchestration.deploy.elastic_beanstalk.deployment import Deployment, Option
from step5_orchestration.deploy.elastic_beanstalk.options import OptionChanges
from step5_orchestration.deploy.elastic_beanstalk.workplace import Clients
from step5_orchestration.deploy.errors import ConfigurationError, NameTakenError

OWNER, EXPIRES = "owner", "expires"

_LIVES_FOR = timedelta(days=7)
_SECRET = re.compile(r"KEY|SECRET|PASSWORD|TOKEN")
_PASSWORD_IN_URL = re.compile(r"(?<=://)(?P<user>[^:@/]*):[^@]*(?=@)")


@dataclass(frozen=True)
class Change:
    """An option or a tag that would change; None stands for nothing there."""

    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        shown = [_shown(self.name, value) for value in (self.before, self.after)]
        return f"{self.name}: {shown[0]} -> {shown[1]}"


@dataclass(frozen=True)
class Plan:
    """What is there, and what differs from what is wanted."""

    deployment: Deployment
    version_label: str
    stack: str
    environment: Environment | None
    application_arn: str | None  # None: it will be created
    version_is_there: bool
    options: OptionChanges
    options_before: Mapping[Option, str]
    tags: Mapping[str, str]  # all that are wanted
    tags_before: Mapping[str, str]
    cost: Estimate | None

    @property
    def updates_environment(self) -> bool:
        """Whether the environment that is there has to change, but for its tags.

        One that is ill gets its version anew: whatever has ailed it may have been mended meanwhile, such as a right.
        """
        there = self.environment
        return there is not None and bool(
            there.version_label != self.version_label or self.options or there.health == "Red"
        )

    @property
    def changed_tags(self) -> dict[str, str]:
        """The tags that an environment which is there lacks, or has otherwise."""
        return {key: value for key, value in self.tags.items() if self.tags_before.get(key) != value}

    def lines(self) -> Iterator[str]:
        """Yield it in words."""
        wanted = self.deployment
        yield f"application  {wanted.application}: {'there' if self.application_arn else 'will be created'}"
        yield f"version      {self.version_label}: {'there' if self.version_is_there else 'will be uploaded'}"
        if self.environment is None:
            yield f"environment  {wanted.environment}: will be created at http://{wanted.cname}.*, on {self.stack}"
        else:
            yield from self._environment_lines(self.environment)
        for change in self.changes():
            yield f"  {change}"
        if wanted.is_load_balanced and "ANALYTICS_DATABASE" not in wanted.settings:
            yield "Each instance keeps analytics of its own: set ANALYTICS_DATABASE to have them in one place."
        if wanted.has_own_redis and wanted.policy != "AllAtOnce":
            yield f"{wanted.policy} replaces the instance, and with it Redis, its queue and the analytics."
        yield f"deployed by  {wanted.policy}; Redis {'on the instance' if wanted.has_own_redis else 'elsewhere'}"
        if self.cost is None:
            yield "No estimate: there is no price on file for this region or instance type."
        else:
            yield from self.cost.lines()

    def changes(self) -> Iterator[Change]:
        """Yield what would change of the options and tags."""
        for option, value in sorted(self.options.set.items()):
            yield Change(" ".join(option), self.options_before.get(option), value)
        for option in self.options.removed:
            yield Change(" ".join(option), self.options_before[option], None)
        for key, value in self.changed_tags.items():
            yield Change(f"tag {key}", self.tags_before.get(key), value)

    def _environment_lines(self, environment: Environment) -> Iterator[str]:
        changes = self.updates_environment or self.changed_tags
        yield (
            f"environment  {environment.name}: {'will be updated' if changes else 'as it is wanted'} "
            f"({environment.status}, health {environment.health}, {environment.address})"
        )
        if environment.version_label != self.version_label:
            yield f"  version: {environment.version_label} -> {self.version_label}"
        elif environment.health == "Red":
            yield "  it is ill, so its version will be deployed anew"
        if environment.stack != self.stack:
            yield f"  a newer platform is out, which is not changed here: {environment.stack} -> {self.stack}"


def make_plan(deployment: Deployment, version_label: str, clients: Clients, cost: Estimate | None, today: date) -> Plan:
    """Compare what is wanted with what is there. Raises NameTakenError, ConfigurationError."""
    stack = newest_stack(clients, deployment.platform)
    environment = _environment_to_update(deployment, stack, clients)
    before = options_of(clients, environment) if environment else {}
    tags_before = tags_of(clients, environment.arn) if environment else {}
    application = find_application(clients, deployment.application)
    return Plan(
        deployment=deployment,
        version_label=version_label,
        stack=stack,
        environment=environment,
        application_arn=application,
        version_is_there=bool(application and find_version(clients, deployment.application, version_label)),
        options=OptionChanges.between(before, deployment.options),
        options_before=before,
        tags=_tags(deployment, tags_before, today),
        tags_before=tags_before,
        cost=cost,
    )


def _environment_to_update(deployment: Deployment, stack: str, clients: Clients) -> Environment | None:
    """Return the environment, or None where one is to be made. Raises NameTakenError, ConfigurationError."""
    environment = find_environment(clients, deployment.environment, deployment.application)
    if environment and environment.status == "Terminating":
        return None  # it will be gone before the new one begins
    if environment is None and not is_cname_free(clients, deployment.cname):
        raise NameTakenError(
            f"The address {deployment.cname} is taken in {clients.region}.", "Choose another: --cname."
        )
    if environment and environment.stack.rpartition(" ")[2] != stack.rpartition(" ")[2]:
        raise ConfigurationError(
            f"{environment.name} runs on {environment.stack}, which takes another bundle.",
            "Choose the other --platform, or another --environment.",
        )
    return environment


def as_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as requests want them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _tags(deployment: Deployment, before: Mapping[str, str], today: date) -> dict[str, str]:
    """Return the owner, and the day after which nobody should be sorry to see it gone."""
    expires = deployment.expires.isoformat() if deployment.expires else before.get(EXPIRES)
    return {OWNER: deployment.owner, EXPIRES: expires or (today + _LIVES_FOR).isoformat()}


def _shown(name: str, value: str | None) -> str:
    """Return a value as it may be shown: without what is secret."""
    if value is None:
        return "nothing"
    if _SECRET.search(name):
        return "(hidden)"
    return _PASSWORD_IN_URL.sub(r"\g<user>:(hidden)", value)
