"""What an environment does now, and what it has written."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import TypeAlias

from step5_orchestration.deploy.elastic_beanstalk.account import Environment, find_environment, tags_of
from step5_orchestration.deploy.elastic_beanstalk.plan import EXPIRES, OWNER
from step5_orchestration.deploy.elastic_beanstalk.workplace import Workplace
from step5_orchestration.deploy.errors import DeployError, UpdateTimeoutError

_PAUSE_S = 5
_LONGEST_S = 120
_EVENTS = 10

Logs: TypeAlias = dict[tuple[str, datetime], str]
"""Where the logs lie for some minutes, by instance and time."""


def status_lines(at: Workplace) -> Iterator[str]:
    """Yield what there is to know of the environment, its instances, and its last events."""
    environment = find_environment(at.clients, at.environment, at.application)
    if environment is None:
        yield f"There is no environment {at.environment} of {at.application} in {at.clients.region}."
        return
    tags = tags_of(at.clients, environment.arn)
    yield f"environment  {environment.name}: {environment.status}, health {environment.health}"
    yield f"address      {environment.address}"
    yield f"version      {environment.version_label}, on {environment.stack}"
    yield f"owner        {tags.get(OWNER, 'nobody')}; expires {_expiry(tags.get(EXPIRES), at.clock.now().date())}"
    yield from _health_lines(at)
    events = at.clients.beanstalk.describe_events(EnvironmentName=environment.name, MaxRecords=_EVENTS)["Events"]
    for event in reversed(events):
        yield f"  {event['EventDate']:%Y-%m-%d %H:%M:%S} {event['Severity']:<5} {event['Message']}"


def fetch_logs(at: Workplace, fetch: Callable[[str], str]) -> Iterator[str]:
    """Yield the last lines of each instance's logs; `fetch` gets a text from an address.

    Raises DeployError where there is no environment, and UpdateTimeoutError where its instances do not answer.
    """
    environment = find_environment(at.clients, at.environment, at.application)
    if environment is None:
        raise DeployError(f"There is no environment {at.environment}.", "See what there is: eb status.")
    for (instance, _), address in sorted(_collected_logs(environment, at).items()):
        yield f"==> {instance}"
        yield fetch(address)


def _collected_logs(environment: Environment, at: Workplace) -> Logs:
    """Have instances send their logs, and wait until no more of them do. Raises UpdateTimeoutError where none does."""
    before = _logs(environment, at)
    sent: Logs = {}
    at.clients.beanstalk.request_environment_info(EnvironmentName=environment.name, InfoType="tail")
    for _ in range(0, _LONGEST_S, _PAUSE_S):
        at.progress.waiting(f"{environment.name}: its instances collect their logs")
        at.clock.sleep(_PAUSE_S)
        new = {sample: address for sample, address in _logs(environment, at).items() if sample not in before}
        if sent and len(new) == len(sent):
            break
        sent = new
    if not sent:
        raise UpdateTimeoutError(f"No instance has sent its logs within {_LONGEST_S} s.", "Look at eb status.")
    return sent


def _logs(environment: Environment, at: Workplace) -> Logs:
    """Return what instances have sent. An address is signed anew for whoever asks, so it does not tell two apart."""
    told = at.clients.beanstalk.retrieve_environment_info(EnvironmentName=environment.name, InfoType="tail")
    return {(one["Ec2InstanceId"], one["SampleTimestamp"]): one["Message"] for one in told["EnvironmentInfo"]}


def _health_lines(at: Workplace) -> Iterator[str]:
    health = at.clients.beanstalk.describe_environment_health(
        EnvironmentName=at.environment, AttributeNames=["Status", "Color", "Causes"]
    )
    yield from (f"  {cause}" for cause in health.get("Causes", ()))
    instances = at.clients.beanstalk.describe_instances_health(
        EnvironmentName=at.environment, AttributeNames=["HealthStatus", "Causes", "Deployment"]
    )
    for instance in instances["InstanceHealthList"]:
        runs = instance.get("Deployment", {}).get("VersionLabel", "nothing yet")
        yield f"instance     {instance['InstanceId']}: {instance.get('HealthStatus', 'Unknown')}, runs {runs}"
        yield from (f"  {cause}" for cause in instance.get("Causes", ()))


def _expiry(expires: str | None, today: date) -> str:
    if expires is None:
        return "never"
    return f"{expires}, which is over: destroy it, or say --expires" if expires < today.isoformat() else expires
