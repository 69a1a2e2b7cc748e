"""What a verb works with: one environment of one application, AWS, the time, and whoever watches."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from step5_orchestration.deploy.clock import Clock
from step5_orchestration.deploy.progress import Progress


@dataclass(frozen=True)
class Clients:
    """Clients of boto3, all of one region."""

    beanstalk: Any
    s3: Any
    sts: Any
    ecr: Any

    @property
    def region(self) -> str:
        """The region they ask."""
        return str(self.beanstalk.meta.region_name)


@dataclass(frozen=True)
class Workplace:
    """The same for all steps of a deployment; a test hands over others."""

    application: str
    environment: str
    clients: Clients
    clock: Clock
    progress: Progress
    smoke_test: Callable[[str], None]  # of an address; raises SmokeTestError
    timeout: timedelta  # for one change of the environment
