"""What an environment does now, and what it has written."""

from collections.abc import Callable, Iterator
from datetime import date

from step5_orchestration.deploy.elastic_beanstalk.account import Environment, find_environment, tags_of
from step5_orchestration.deploy.elastic_beanstalk.plan import EXPIRES, OWNER
from step5_orchestration.deploy.elastic_beanstalk.workplace import Workplace
from step5_orchestration.deploy.errors import DeployError, UpdateTimeoutError

_PAUSE_S = 5
_LONGEST_S = 120
_EVENTS = 10


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
    before = {sample for _, sample in _samples(environment, at)}
    at.clients.beanstalk.request_environment_info(EnvironmentName=environment.name, InfoType="tail")
    for _ in range(0, _LONGEST_S, _PAUSE_S):
        at.progress.waiting(f"{environment.name}: its instances collect their logs")
        at.clock.sleep(_PAUSE_S)
        new = [(instance, address) for instance, address in _samples(environment, at) if address not in before]
        if new:
            for instance, address in sorted(new):
                yield f"==> {instance}"
                yield fetch(address)
            return
    raise UpdateTimeoutError(f"No instance has sent its logs within {_LONGEST_S} s.", "Look at eb status.")


def _samples(environment: Environment, at: Workplace) -> list[tuple[str, str]]:
    """Return instances, and where what each has sent lies for some minutes."""
    sent = at.clients.beanstalk.retrieve_environment_info(EnvironmentName=environment.name, InfoType="tail")
    return [(one["Ec2InstanceId"], one["Message"]) for one in sent["EnvironmentInfo"]]


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
