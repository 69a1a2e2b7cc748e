"""What is wanted on Elastic Beanstalk: names, machines and settings, and what of it cannot work together."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, TypeAlias

from step5_orchestration.deploy.errors import ConfigurationError

Platform: TypeAlias = Literal["docker", "ecs"]
"""Docker runs a compose file as it is; ECS runs a task made from it."""

DEPLOYMENT_POLICIES = ("AllAtOnce", "Rolling", "RollingWithAdditionalBatch", "Immutable")
ENVIRONMENT_SETTINGS = "aws:elasticbeanstalk:application:environment"
REDIS_URL = "REDIS_URL"
ROOT_VOLUME_GB = 16  # the operating system, Docker, and two generations of container images

Option: TypeAlias = tuple[str, str]
"""A namespace of Beanstalk's options, and a name in it."""

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{2,38}[A-Za-z0-9]")
_APPLICATION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SETTING_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_INSTANCE_TYPE = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9-]+")


@dataclass(frozen=True)
class Deployment:
    """One environment as it is wanted."""

    application: str
    environment: str
    platform: Platform
    owner: str
    cname: str
    expires: date | None = None  # None: as it is, or a week from now where there is none yet
    instance_type: str = "t3.medium"
    min_instances: int = 1
    max_instances: int = 1
    deployment_policy: str | None = None  # None: the one that loses least
    certificate: str | None = None  # ARN of the one for https
    settings: Mapping[str, str] = field(default_factory=dict)  # variables of the containers, as in config.py
    service_role: str = "aws-elasticbeanstalk-service-role"
    instance_profile: str = "aws-elasticbeanstalk-ec2-role"

    def __post_init__(self) -> None:
        """Refuse what cannot work. Raises ConfigurationError."""
        self._check_names()
        self._check_instances()

    @property
    def has_own_redis(self) -> bool:
        """Whether Redis runs as a container on the instance, as in step 4."""
        return REDIS_URL not in self.settings

    @property
    def is_load_balanced(self) -> bool:
        """Whether there can be more than one instance, and so a load balancer before them."""
        return self.max_instances > 1

    @property
    def policy(self) -> str:
        """How a new version replaces the last.

        An instance that holds Redis and its queue is updated in place; where nothing is lost with an instance, new
        ones take over once they are healthy.
        """
        return self.deployment_policy or ("AllAtOnce" if self.has_own_redis else "Immutable")

    @property
    def options(self) -> dict[Option, str]:
        """The options that depend on the account or on what is wanted; the others are in the bundle."""
        options = {
            ("aws:autoscaling:asg", "MinSize"): str(self.min_instances),
            ("aws:autoscaling:asg", "MaxSize"): str(self.max_instances),
            ("aws:autoscaling:launchconfiguration", "IamInstanceProfile"): self.instance_profile,
            ("aws:autoscaling:launchconfiguration", "RootVolumeSize"): str(ROOT_VOLUME_GB),
            ("aws:autoscaling:launchconfiguration", "RootVolumeType"): "gp3",
            ("aws:ec2:instances", "InstanceTypes"): self.instance_type,
            ("aws:elasticbeanstalk:environment", "EnvironmentType"): (
                "LoadBalanced" if self.is_load_balanced else "SingleInstance"
            ),
            ("aws:elasticbeanstalk:environment", "ServiceRole"): self.service_role,
        }
        if self.is_load_balanced:
            options["aws:elasticbeanstalk:environment", "LoadBalancerType"] = "application"
        if self.certificate:
            options["aws:elbv2:listener:443", "ListenerEnabled"] = "true"
            options["aws:elbv2:listener:443", "Protocol"] = "HTTPS"
            options["aws:elbv2:listener:443", "SSLCertificateArns"] = self.certificate
        return options | {(ENVIRONMENT_SETTINGS, name): value for name, value in self.settings.items()}

    def _check_names(self) -> None:
        if not _APPLICATION_NAME.fullmatch(self.application):
            raise ConfigurationError(
                f"{self.application!r} cannot be the name of an application.", "Take letters, digits, . _ and hyphens."
            )
        for name in (self.environment, self.cname):
            if not _ENVIRONMENT_NAME.fullmatch(name):
                raise ConfigurationError(
                    f"{name!r} cannot be the name of an environment.",
                    "Take 4 to 40 letters, digits and hyphens, with no hyphen at either end.",
                )
        for name in self.settings:
            if not _SETTING_NAME.fullmatch(name):
                raise ConfigurationError(f"{name!r} is no setting.", "Write it in capitals, as in config.py.")
        if not _INSTANCE_TYPE.fullmatch(self.instance_type):
            raise ConfigurationError(f"{self.instance_type!r} is no instance type.", "Name one, such as t3.medium.")

    def _check_instances(self) -> None:
        if not 1 <= self.min_instances <= self.max_instances:
            raise ConfigurationError(
                f"There cannot be {self.min_instances} to {self.max_instances} instances.",
                "Ask for one at least, and for no more at least than at most.",
            )
        if self.is_load_balanced and self.has_own_redis:
            raise ConfigurationError(
                f"{self.max_instances} instances with a Redis on each are {self.max_instances} queues: a job left with "
                "one instance is unknown to the others, and is lost when its instance is replaced.",
                "Give all of them one Redis, such as ElastiCache: --set REDIS_URL=rediss://HOST:6379/0. "
                "Or ask for one instance.",
            )
        if self.certificate and not self.is_load_balanced:
            raise ConfigurationError(
                "A certificate belongs to a load balancer, and a single instance has none.", "Ask for more --instances."
            )
        if self.policy.startswith("Rolling") and not self.is_load_balanced:
            raise ConfigurationError(
                "A single instance cannot be updated in turns.", "Take AllAtOnce or Immutable, or more instances."
            )
