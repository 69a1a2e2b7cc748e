"""Waiting for an environment: its events are told as they come, and its end is judged, not just awaited.

Beanstalk calls an environment Ready also after a deployment that failed. So three things have to hold: the status, the
version that runs, and the health.
"""

import re
from collections.abc import Callable
from typing import Any, NoReturn

from step5_orchestration.deploy.aws_errors import QUOTA_REMEDY
from step5_orchestration.deploy.elastic_beanstalk.account import Environment, find_environment
from step5_orchestration.deploy.elastic_beanstalk.workplace import Workplace
from step5_orchestration.deploy.errors import NotDestroyedError, UpdateFailedError, UpdateTimeoutError

_PAUSE_S = 10
_ERRORS = {"ERROR", "FATAL"}
_LOOK = "Look at its logs: python -m step5_orchestration.deploy eb logs."
# What an instance's logs cannot tell, since a service of AWS has met with it on the way to an instance.
_REMEDIES = (
    (re.compile(r"limit ?exceeded|vCPU limit|maximum number of|quota", re.IGNORECASE), QUOTA_REMEDY),
    (
        re.compile(r"not authorized to perform|access ?denied", re.IGNORECASE),
        "Have it allowed to whom it names, as the policies in step5_orchestration/elastic_beanstalk/iam do.",
    ),
)


class Watch:
    """The environment, watched from now on; begin before what is to be watched."""

    def __init__(self, at: Workplace) -> None:
        """Begin after the last event that there is: by AWS's clock, for ours may be wrong."""
        self._at = at
        self._began = at.clock.now()
        # Not by the environment's name: where there is none yet, asking for its events is an error.
        self._asked: dict[str, Any] = {"ApplicationName": at.application}
        self._failures: list[str] = []  # what its events complained about
        past = at.clients.beanstalk.describe_events(**self._asked)["Events"]  # the newest first
        self._told = {_key(event) for event in past}
        if past:
            self._asked["StartTime"] = past[0]["EventDate"]

    def until_serving(self, version_label: str) -> Environment:
        """Wait until that version runs and is healthy.

        Raises UpdateFailedError where it does not come up. Where that takes too long the update is aborted, and
        UpdateTimeoutError raised.
        """

        def is_over(found: Environment) -> bool:
            return found.is_settled and (self._has_failed(found, version_label) or found.health == "Green")

        environment = self._until(is_over)
        if environment is None:
            raise UpdateFailedError(
                f"The environment {self._at.environment} is gone, or you may not see it.{self._complaints}",
                "Find out who removed it, or have elasticbeanstalk:DescribeEnvironments allowed; then apply again.",
            )
        if self._has_failed(environment, version_label):
            remedy = next((remedy for pattern, remedy in _REMEDIES if pattern.search(self._complaints)), _LOOK)
            raise UpdateFailedError(self._what_failed(environment, version_label), remedy)
        return environment

    def until_settled(self) -> None:
        """Wait until nothing is being changed, or the environment is gone. Raises UpdateTimeoutError."""
        self._until(lambda found: found.is_settled)

    def until_gone(self) -> None:
        """Wait until there is no such environment any more. Raises NotDestroyedError, UpdateTimeoutError."""
        left = self._until(lambda found: found.is_settled)
        if left is not None:
            raise NotDestroyedError(
                f"{left.name} could not be removed.{self._complaints}",
                "Remove what it names, such as a rule for its security group in another group; then destroy again.",
            )

    def _until(self, is_over: Callable[[Environment], bool]) -> Environment | None:
        clock = self._at.clock
        deadline = clock.now() + self._at.timeout
        while True:
            environment = find_environment(self._at.clients, self._at.environment, self._at.application)
            self._tell_events()
            if environment is None or is_over(environment):
                return environment
            if clock.now() >= deadline:
                self._give_up(environment)
            waited = clock.now() - self._began
            self._at.progress.waiting(
                f"{environment.name}: {environment.status}, health {environment.health_status}, "
                f"{waited.total_seconds():.0f} s"
            )
            clock.sleep(_PAUSE_S)

    def _has_failed(self, environment: Environment, version_label: str) -> bool:
        return bool(self._failures) or environment.version_label != version_label

    def _what_failed(self, environment: Environment, version_label: str) -> str:
        runs = "" if environment.version_label == version_label else f" It runs {environment.version_label}."
        return f"{version_label} did not come up in {environment.name}.{runs}{self._complaints}"

    @property
    def _complaints(self) -> str:
        return f" Beanstalk says: {' '.join(self._failures)}" if self._failures else ""

    def _give_up(self, environment: Environment) -> NoReturn:
        aborted = ""
        if environment.can_abort:
            self._at.clients.beanstalk.abort_environment_update(EnvironmentName=environment.name)
            aborted = " Its update was aborted."
        raise UpdateTimeoutError(
            f"{environment.name} is {environment.status} with health {environment.health_status} after "
            f"{self._at.timeout.total_seconds() / 60:.0f} minutes.{aborted}",
            f"{_LOOK} Or give it longer: --timeout-minutes.",
        )

    def _tell_events(self) -> None:
        for event in self._new_events():
            self._told.add(_key(event))
            self._at.progress.say(f"{event['EventDate']:%H:%M:%S} {event['Severity']:<5} {event['Message']}")
            if event["Severity"] in _ERRORS:
                self._failures.append(event["Message"])

    def _new_events(self) -> list[dict[str, Any]]:
        asked, events = dict(self._asked), []
        while True:
            page = self._at.clients.beanstalk.describe_events(**asked)
            events += [event for event in page["Events"] if self._is_new(event)]
            if not page.get("NextToken"):
                return sorted(events, key=lambda event: event["EventDate"])
            asked["NextToken"] = page["NextToken"]

    def _is_new(self, event: dict[str, Any]) -> bool:
        return event.get("EnvironmentName") == self._at.environment and _key(event) not in self._told


def _key(event: dict[str, Any]) -> tuple[object, ...]:
    """What tells an event from the others."""
    return event["EventDate"], event["Message"]
