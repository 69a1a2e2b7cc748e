"""What there is on Elastic Beanstalk already: only questions, nothing is changed here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from step5_orchestration.deploy.elastic_beanstalk.deployment import Option, Platform
from step5_orchestration.deploy.elastic_beanstalk.workplace import Clients
from step5_orchestration.deploy.errors import ConfigurationError, NameTakenError

_STACK = re.compile(r"64bit Amazon Linux 2023 v(?P<version>\d+(\.\d+)*) running (?P<platform>Docker|ECS)")
_PLATFORMS = {"docker": "Docker", "ecs": "ECS"}


@dataclass(frozen=True)
class Environment:
    """An environment as it is."""

    name: str
    arn: str
    application: str
    status: str
    health: str  # the colour
    health_status: str  # the word of enhanced health
    version_label: str
    cname: str
    stack: str
    can_abort: bool

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://{self.cname}"

    @property
    def is_settled(self) -> bool:
        """Whether nothing is being changed."""
        return self.status == "Ready"


@dataclass(frozen=True)
class Version:
    """An application version: one bundle."""

    label: str
    arn: str
    status: str  # in capitals
    created: float  # seconds since 1970


def find_environment(clients: Clients, name: str, application: str) -> Environment | None:
    """Return the environment of that name, or None where there is none.

    Raises NameTakenError where it belongs to another application: a name is there once in an account and region.
    """
    found = clients.beanstalk.describe_environments(EnvironmentNames=[name], IncludeDeleted=False)["Environments"]
    if not found:
        return None
    environment = _environment(found[0])
    if environment.application != application:
        raise NameTakenError(
            f"The environment {name} belongs to the application {environment.application}.",
            f"Choose another --environment, or --application {environment.application}.",
        )
    return environment


def find_environments(clients: Clients, application: str) -> list[Environment]:
    """Return all environments of an application."""
    found = clients.beanstalk.describe_environments(ApplicationName=application, IncludeDeleted=False)["Environments"]
    return [_environment(one) for one in found]


def find_application(clients: Clients, application: str) -> str | None:
    """Return the ARN of the application of that name, or None."""
    found = clients.beanstalk.describe_applications(ApplicationNames=[application])["Applications"]
    return str(found[0]["ApplicationArn"]) if found else None


def find_versions(clients: Clients, application: str) -> list[Version]:
    """Return all versions of the application, the newest first."""
    versions: list[Version] = []
    asked: dict[str, Any] = {"ApplicationName": application}
    while True:
        page = clients.beanstalk.describe_application_versions(**asked)
        versions += [_version(one) for one in page["ApplicationVersions"]]
        if not page.get("NextToken"):
            return sorted(versions, key=lambda version: version.created, reverse=True)
        asked["NextToken"] = page["NextToken"]


def find_version(clients: Clients, application: str, label: str) -> Version | None:
    """Return the version of that label, or None."""
    page = clients.beanstalk.describe_application_versions(ApplicationName=application, VersionLabels=[label])
    return next((_version(one) for one in page["ApplicationVersions"]), None)


def options_of(clients: Clients, environment: Environment) -> dict[Option, str]:
    """Return the options of an environment that have a value.

    Beside those that hold Beanstalk tells those that it is about to deploy, or could not.
    """
    told = clients.beanstalk.describe_configuration_settings(
        ApplicationName=environment.application, EnvironmentName=environment.name
    )["ConfigurationSettings"]
    return {
        (option["Namespace"], option["OptionName"]): option["Value"]
        for settings in told
        if settings.get("DeploymentStatus", "deployed") == "deployed"
        for option in settings["OptionSettings"]
        if option.get("Value")
    }


def tags_of(clients: Clients, arn: str) -> dict[str, str]:
    """Return the tags of an environment or a version."""
    tags = clients.beanstalk.list_tags_for_resource(ResourceArn=arn)["ResourceTags"]
    return {tag["Key"]: tag["Value"] for tag in tags}


def newest_stack(clients: Clients, platform: Platform) -> str:
    """Return the name of the newest solution stack that runs such a bundle. Raises ConfigurationError."""
    names = clients.beanstalk.list_available_solution_stacks()["SolutionStacks"]
    found = [stack for stack in map(_STACK.fullmatch, names) if stack and stack["platform"] == _PLATFORMS[platform]]
    if not found:
        raise ConfigurationError(
            f"{clients.region} offers no Amazon Linux 2023 that runs {_PLATFORMS[platform]}.", "Take another --region."
        )
    return max(found, key=lambda stack: [int(part) for part in stack["version"].split(".")]).string


def is_cname_free(clients: Clients, cname: str) -> bool:
    """Whether nobody in the region has that name yet."""
    return bool(clients.beanstalk.check_dns_availability(CNAMEPrefix=cname)["Available"])


def _environment(one: Mapping[str, Any]) -> Environment:
    return Environment(
        name=one["EnvironmentName"],
        arn=one["EnvironmentArn"],
        application=one["ApplicationName"],
        status=one["Status"],
        health=one.get("Health", "Grey"),
        health_status=one.get("HealthStatus", "Unknown"),
        version_label=one.get("VersionLabel", ""),
        cname=one.get("CNAME", ""),
        stack=one.get("SolutionStackName", ""),
        can_abort=bool(one.get("AbortableOperationInProgress")),
    )


def _version(one: Mapping[str, Any]) -> Version:
    return Version(
        label=one["VersionLabel"],
        arn=one["ApplicationVersionArn"],
        status=one["Status"].upper(),  # the service writes it in capitals, botocore's model does not
        created=one["DateCreated"].timestamp(),
    )
