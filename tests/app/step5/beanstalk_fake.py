"""Elastic Beanstalk as far as a deploy tool sees it, on moto: what it lacks is added to its Beanstalk, with a memory.

An environment goes through its states by a clock that only moves when the tool waits. The requests are botocore's own,
checked by it, and the answers go through its parser. What Beanstalk would refuse is refused here, in its words.
"""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import Any, TypeAlias

import boto3
import pytest
from moto.core import errors
from moto.core.responses import ActionResult, EmptyResult
from moto.elasticbeanstalk.exceptions import ElasticBeanstalkException
from moto.elasticbeanstalk.responses import EBResponse

REGION = "eu-central-1"
ACCOUNT = "123456789012"
ARN = f"arn:aws:elasticbeanstalk:{REGION}:{ACCOUNT}"
BUCKET = f"elasticbeanstalk-{REGION}-{ACCOUNT}"
CREDENTIALS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
PAGE = 3  # events and versions in one answer: few, so that whoever does not ask for the next page misses some
# What shows nothing, without a word, to who may not ask.
HIDDEN = {
    "DescribeApplications": "Applications",
    "DescribeApplicationVersions": "ApplicationVersions",
    "DescribeEnvironments": "Environments",
    "DescribeEvents": "Events",
}

Options: TypeAlias = dict[tuple[str, str], str]
Answer: TypeAlias = Callable[[dict[str, Any]], dict[str, Any] | None]


class FakeClock:
    """A time that passes when somebody waits."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 27, 12, tzinfo=UTC)
        self.interrupted_after: float | None = None  # seconds of waiting, then Ctrl-C

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        if self.interrupted_after is not None:
            self.interrupted_after -= seconds
            if self.interrupted_after <= 0:
                self.interrupted_after = None
                raise KeyboardInterrupt


def refusal(code: str, message: str) -> ElasticBeanstalkException:
    error = ElasticBeanstalkException(message)
    error.code = code
    return error


def invalid(message: str) -> ElasticBeanstalkException:
    return refusal("InvalidParameterValue", message)


@dataclass
class FakeVersion:
    label: str
    bucket: str
    key: str
    created: datetime
    is_sound: bool
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeEnvironment:
    name: str
    application: str
    cname: str
    stack: str
    label: str
    options: Options
    tags: dict[str, str]
    created: datetime
    draft: tuple[str, Options] | None = None  # options that are not deployed yet, or could not be
    status: str = "Launching"
    health: str = "Grey"
    health_status: str = "Pending"
    can_abort: bool = False
    due: list[tuple[datetime, Callable[[], None]]] = field(default_factory=list)
    events: list[tuple[datetime, str, str]] = field(default_factory=list)
    info_at: list[datetime] = field(default_factory=list)

    def becomes(self, status: str, health: str, health_status: str) -> None:
        self.status, self.health, self.health_status = status, health, health_status
        self.can_abort = status == "Updating"


class FakeBeanstalk:
    """One account in one region.

    `outcomes` says how the next changes of environments end: "succeeds" where it says nothing, or "fails" (in place: it
    is still called by the old version, and ill), "reverts" (Immutable: the old version is untouched), "hangs",
    "sickens" (the new version, neither an error nor health).
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.applications: set[str] = set()
        self.application_tags: dict[str, dict[str, str]] = {}
        self.versions: dict[tuple[str, str], FakeVersion] = {}
        self.environments: dict[str, FakeEnvironment] = {}
        self.outcomes: list[str] = []
        self.failure = (
            "[Instance: i-0abc] Command failed on instance. Return code: 1."  # what is told of one that fails
        )
        self.taken_cnames: set[str] = set()
        self.cnames_taken_meanwhile: set[str] = set()  # after somebody has asked whether they are free
        self.denied: dict[str, str] = {}  # operation: IAM's action
        self.most_environments = 5
        self.most_versions = 1000
        self.logs_address = "http://127.0.0.1:9/logs"
        self.logs_after = {"i-0abc": 15}  # seconds that each instance takes to send its logs
        self.signatures = count()

    def create_application(self, name: str, tags: list[dict[str, str]]) -> dict[str, Any]:
        if name in self.applications:
            raise invalid(f"Application {name} already exists.")
        self.applications.add(name)
        self.application_tags[name] = tagged(tags)
        return {"Application": {"ApplicationName": name}}

    def describe_applications(self, names: list[str]) -> dict[str, Any]:
        found = sorted(self.applications.intersection(names))
        return {
            "Applications": [{"ApplicationName": name, "ApplicationArn": f"{ARN}:application/{name}"} for name in found]
        }

    def delete_application(self, name: str) -> None:
        if any(environment.application == name for environment in self.living()):
            raise refusal("OperationInProgressException", f"{name} has running environments.")
        self.applications.discard(name)
        self.versions = {key: version for key, version in self.versions.items() if key[0] != name}

    def create_version(self, application: str, label: str, bundle: dict[str, str]) -> dict[str, Any]:
        self.check_application(application)
        if (application, label) in self.versions:
            raise invalid(f"Application Version {label} already exists.")
        if len(self.versions) >= self.most_versions:
            raise refusal("TooManyApplicationVersionsException", "You have reached the number of application versions.")
        bucket, key = bundle["S3Bucket"], bundle["S3Key"]
        version = FakeVersion(label, bucket, key, self.clock.now(), self.is_bundle(bucket, key))
        self.versions[application, label] = version
        return {"ApplicationVersion": self.described_version(application, version)}

    def check_application(self, name: str) -> None:
        if name not in self.applications:
            raise invalid(f"No Application named '{name}' found.")

    def is_bundle(self, bucket: str, key: str) -> bool:
        contents = s3().get_object(Bucket=bucket, Key=key)["Body"].read()
        try:
            names = zipfile.ZipFile(io.BytesIO(contents)).namelist()
        except zipfile.BadZipFile:
            return False
        return bool({"docker-compose.yml", "Dockerrun.aws.json"} & {*names}) and ".env" not in names

    def described_version(self, application: str, version: FakeVersion) -> dict[str, Any]:
        is_processed = self.clock.now() >= version.created + timedelta(seconds=10)
        return {
            "ApplicationVersionArn": f"{ARN}:applicationversion/{application}/{version.label}",
            "ApplicationName": application,
            "VersionLabel": version.label,
            "SourceBundle": {"S3Bucket": version.bucket, "S3Key": version.key},
            "DateCreated": version.created,
            "Status": ("PROCESSED" if version.is_sound else "FAILED") if is_processed else "PROCESSING",
        }

    def describe_versions(self, application: str, labels: list[str], start: int) -> dict[str, Any]:
        self.check_application(application)
        found = [
            self.described_version(application, version)
            for (name, label), version in self.versions.items()
            if name == application and (not labels or label in labels)
        ]
        return paged("ApplicationVersions", found, start)

    def delete_version(self, application: str, label: str, *, with_bundle: bool) -> None:
        if any(one.application == application and one.label == label for one in self.living()):
            raise invalid(f"Application version {label} is deployed.")
        version = self.versions.pop((application, label), None)
        if version and with_bundle:
            s3().delete_object(Bucket=version.bucket, Key=version.key)

    def living(self) -> list[FakeEnvironment]:
        for environment in self.environments.values():
            while environment.due and environment.due[0][0] <= self.clock.now():
                environment.due.pop(0)[1]()
        return [environment for environment in self.environments.values() if environment.status != "Terminated"]

    def ready(self, name: str) -> FakeEnvironment:
        environment = self.named(name)
        if environment.status != "Ready":
            raise invalid(f"Environment named {name} is in an invalid state for this operation. Must be Ready.")
        return environment

    def named(self, name: str) -> FakeEnvironment:
        found = [environment for environment in self.living() if environment.name == name]
        if not found:
            raise invalid(f"No Environment found for EnvironmentName = '{name}'.")
        return found[0]

    def create_environment(self, asked: dict[str, Any]) -> dict[str, Any]:
        name, cname = asked["EnvironmentName"], asked["CNAMEPrefix"]
        if any(environment.name == name for environment in self.living()):
            raise invalid(f"Environment {name} already exists.")
        if cname in self.taken_cnames | self.cnames_taken_meanwhile:
            raise invalid(f"DNS name ({cname}.{REGION}.elasticbeanstalk.com) is not available.")
        if len(self.living()) >= self.most_environments:
            raise refusal("TooManyEnvironmentsException", "You have reached the number of environments.")
        self.check_version(asked["ApplicationName"], asked["VersionLabel"])
        environment = FakeEnvironment(
            name=name,
            application=asked["ApplicationName"],
            cname=f"{cname}.{REGION}.elasticbeanstalk.com",
            stack=asked["SolutionStackName"],
            label=asked["VersionLabel"],
            options=options(asked),
            tags=tagged(asked.get("Tags", [])),
            created=self.clock.now(),
        )
        self.environments[name] = environment
        self.tell(environment, "INFO", "createEnvironment is starting.")
        self.change(environment, asked["VersionLabel"], seconds=40)
        return described(environment)

    def update_environment(self, asked: dict[str, Any]) -> dict[str, Any]:
        environment = self.ready(asked["EnvironmentName"])
        self.check_version(environment.application, asked["VersionLabel"])
        removed = {(one["Namespace"], one["OptionName"]) for one in asked.get("OptionsToRemove", [])}
        if removed or options(asked):
            kept = {option: value for option, value in environment.options.items() if option not in removed}
            environment.draft = "pending", kept | options(asked)
        environment.becomes("Updating", environment.health, "Info")
        self.tell(environment, "INFO", "Environment update is starting.")
        self.change(environment, asked["VersionLabel"], seconds=30)
        return described(environment)

    def check_version(self, application: str, label: str) -> None:
        version = self.versions.get((application, label))
        if version is None:
            raise invalid(f"No Application Version named '{label}' found.")
        if self.described_version(application, version)["Status"] != "PROCESSED":
            raise invalid(f"Application version {label} is unusable.")

    def change(self, environment: FakeEnvironment, label: str, seconds: float) -> None:
        """Have the change end, by and by, as the next outcome says."""
        outcome = self.outcomes.pop(0) if self.outcomes else "succeeds"
        ends_with = environment.label if outcome in {"fails", "reverts"} else label
        self.later(environment, 10, lambda: self.tell(environment, "INFO", f"Deploying {label} to instance(s)."))
        if outcome == "hangs":
            return
        if outcome in {"fails", "reverts"}:
            self.later(environment, seconds - 10, lambda: self.tell(environment, "ERROR", self.failure))
        self.later(environment, seconds, lambda: self.end(environment, ends_with, outcome))
        if outcome == "succeeds":
            self.later(environment, seconds + 10, lambda: environment.becomes("Ready", "Green", "Ok"))

    def end(self, environment: FakeEnvironment, label: str, outcome: str) -> None:
        environment.label = label
        status, draft = environment.draft or ("none", {})
        if status == "pending" and outcome in {"fails", "reverts"}:
            environment.draft = "failed", draft
        elif status == "pending":
            environment.options, environment.draft = draft, None
        health = {"succeeds": ("Yellow", "Warning"), "reverts": ("Green", "Ok")}.get(outcome, ("Red", "Severe"))
        environment.becomes("Ready", *health)
        self.tell(environment, "INFO", "Environment update completed.")

    def later(self, environment: FakeEnvironment, seconds: float, effect: Callable[[], None]) -> None:
        environment.due.append((self.clock.now() + timedelta(seconds=seconds), effect))

    def tell(self, environment: FakeEnvironment, severity: str, message: str) -> None:
        environment.events.append((self.clock.now(), severity, message))

    def abort(self, name: str) -> None:
        environment = self.named(name)
        if not environment.can_abort:
            raise invalid(f"Environment named {name} is in an invalid state for this operation.")
        environment.due.clear()
        environment.becomes("Aborting", "Yellow", "Warning")
        self.later(environment, 20, lambda: self.end(environment, environment.label, "reverts"))

    def terminate(self, name: str) -> dict[str, Any]:
        environment = self.ready(name)
        environment.due.clear()
        environment.becomes("Terminating", "Grey", "Suspended")
        self.tell(environment, "INFO", "terminateEnvironment is starting.")
        if self.outcomes and self.outcomes.pop(0) == "fails":
            failed = "Deleting security group named: sg-0abc failed Reason: resource sg-0abc has a dependent object"
            self.later(environment, 20, lambda: self.tell(environment, "ERROR", failed))
            self.later(environment, 30, lambda: environment.becomes("Ready", "Red", "Severe"))
        else:
            self.later(environment, 30, lambda: environment.becomes("Terminated", "Grey", "Suspended"))
        return described(environment)

    def tags(self, arn: str) -> dict[str, str]:
        kind, first, *rest = arn.rpartition(":")[2].split("/")
        if kind == "application":
            return self.application_tags[first]
        if kind == "applicationversion":
            return self.versions[first, rest[0]].tags
        return self.named(rest[0]).tags

    def update_tags(self, arn: str, added: list[dict[str, str]]) -> None:
        if ":environment/" in arn:  # which is an update of it
            environment = self.ready(arn.rpartition("/")[2])
            environment.becomes("Updating", "Green", "Info")
            self.later(environment, 10, lambda: environment.becomes("Ready", "Green", "Ok"))
        self.tags(arn).update(tagged(added))

    def describe_events(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.living()
        if "ApplicationName" in asked:
            self.check_application(asked["ApplicationName"])
        named = [self.named(asked["EnvironmentName"])] if "EnvironmentName" in asked else [*self.environments.values()]
        events = [
            {"EventDate": when, "EnvironmentName": one.name, "Severity": severity, "Message": message}
            for one in named
            for when, severity, message in one.events
            if one.application == asked.get("ApplicationName", one.application)
            and ("StartTime" not in asked or when >= asked["StartTime"].replace(tzinfo=UTC))
        ]
        events.sort(key=lambda event: event["EventDate"], reverse=True)
        return paged("Events", events[: asked.get("MaxRecords")], int(asked.get("NextToken", 0)))

    def environment_info(self, name: str) -> dict[str, Any]:
        return {
            "EnvironmentInfo": [
                {
                    "InfoType": "tail",
                    "Ec2InstanceId": instance,
                    "SampleTimestamp": when,
                    "Message": f"{self.logs_address}?signature={next(self.signatures)}",
                }
                for when in self.named(name).info_at
                for instance, seconds in self.logs_after.items()
                if self.clock.now() >= when + timedelta(seconds=seconds)
            ]
        }


def options(asked: dict[str, Any]) -> Options:
    return {(one["Namespace"], one["OptionName"]): one["Value"] for one in asked.get("OptionSettings", [])}


def tagged(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def paged(name: str, found: list[Any], start: int) -> dict[str, Any]:
    page: dict[str, Any] = {name: found[start : start + PAGE]}
    return page | ({"NextToken": str(start + PAGE)} if len(found) > start + PAGE else {})


def described(environment: FakeEnvironment) -> dict[str, Any]:
    return {
        "EnvironmentName": environment.name,
        "EnvironmentId": f"e-{environment.name}",
        "EnvironmentArn": f"{ARN}:environment/{environment.application}/{environment.name}",
        "ApplicationName": environment.application,
        "VersionLabel": environment.label,
        "SolutionStackName": environment.stack,
        "CNAME": environment.cname,
        "Status": environment.status,
        "Health": environment.health,
        "HealthStatus": environment.health_status,
        "AbortableOperationInProgress": environment.can_abort,
        "DateCreated": environment.created,
    }


@cache
def s3() -> Any:  # noqa: ANN401 - boto3 has no types
    return boto3.client("s3", region_name=REGION, **CREDENTIALS)


def operations(fake: FakeBeanstalk) -> dict[str, Answer]:
    """Each operation by the name of moto's method, from the request's parameters to the answer."""

    def environments(asked: dict[str, Any]) -> dict[str, Any]:
        found = [
            described(one)
            for one in fake.living()
            if one.name in asked.get("EnvironmentNames", [one.name])
            and one.application == asked.get("ApplicationName", one.application)
        ]
        return {"Environments": found}

    def settings(asked: dict[str, Any]) -> dict[str, Any]:
        environment = fake.named(asked["EnvironmentName"])
        default = {("aws:autoscaling:asg", "Cooldown"): "360"}
        kinds = [("deployed", environment.options | default), *([environment.draft] if environment.draft else [])]
        return {
            "ConfigurationSettings": [
                {
                    "DeploymentStatus": status,
                    "OptionSettings": [
                        {"Namespace": space, "OptionName": name, "Value": value}
                        for (space, name), value in found.items()
                    ],
                }
                for status, found in kinds
            ]
        }

    def storage(_: dict[str, Any]) -> dict[str, Any]:
        if BUCKET not in [bucket["Name"] for bucket in s3().list_buckets()["Buckets"]]:
            s3().create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        return {"S3Bucket": BUCKET}

    def dns(asked: dict[str, Any]) -> dict[str, Any]:
        prefix = asked["CNAMEPrefix"]
        used = {one.cname.split(".")[0] for one in fake.living()} | fake.taken_cnames
        return {"Available": prefix not in used, "FullyQualifiedCNAME": f"{prefix}.{REGION}.elasticbeanstalk.com"}

    def instances(asked: dict[str, Any]) -> dict[str, Any]:
        one = fake.named(asked["EnvironmentName"])
        runs = {"VersionLabel": one.label, "Status": "Deployed"}
        return {"InstanceHealthList": [{"InstanceId": "i-0abc", "HealthStatus": one.health_status, "Deployment": runs}]}

    return {
        "abort_environment_update": lambda asked: fake.abort(asked["EnvironmentName"]),
        "check_dns_availability": dns,
        "create_application": lambda asked: fake.create_application(asked["ApplicationName"], asked.get("Tags", [])),
        "create_application_version": lambda asked: fake.create_version(
            asked["ApplicationName"], asked["VersionLabel"], asked["SourceBundle"]
        ),
        "create_environment": fake.create_environment,
        "create_storage_location": storage,
        "delete_application": lambda asked: fake.delete_application(asked["ApplicationName"]),
        "delete_application_version": lambda asked: fake.delete_version(
            asked["ApplicationName"], asked["VersionLabel"], with_bundle=asked.get("DeleteSourceBundle", False)
        ),
        "describe_application_versions": lambda asked: fake.describe_versions(
            asked["ApplicationName"], asked.get("VersionLabels", []), int(asked.get("NextToken", 0))
        ),
        "describe_applications": lambda asked: fake.describe_applications(asked["ApplicationNames"]),
        "describe_configuration_settings": settings,
        "describe_environment_health": lambda asked: {
            "EnvironmentName": asked["EnvironmentName"],
            "Color": fake.named(asked["EnvironmentName"]).health,
            "Causes": ["100.0 % of the requests are failing with HTTP 5xx."]
            if fake.named(asked["EnvironmentName"]).health == "Red"
            else [],
        },
        "describe_environments": environments,
        "describe_events": fake.describe_events,
        "describe_instances_health": instances,
        "list_tags_for_resource": lambda asked: {
            "ResourceArn": asked["ResourceArn"],
            "ResourceTags": [{"Key": key, "Value": value} for key, value in fake.tags(asked["ResourceArn"]).items()],
        },
        "request_environment_info": lambda asked: fake.ready(asked["EnvironmentName"]).info_at.append(fake.clock.now()),
        "retrieve_environment_info": lambda asked: fake.environment_info(asked["EnvironmentName"]),
        "terminate_environment": lambda asked: fake.terminate(asked["EnvironmentName"]),
        "update_environment": fake.update_environment,
        "update_tags_for_resource": lambda asked: fake.update_tags(asked["ResourceArn"], asked["TagsToAdd"]),
    }


def install(fake: FakeBeanstalk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the fake behind moto's Beanstalk."""
    # What IAM refuses is in no model of a service, and moto would warn of it.
    monkeypatch.setattr(errors, "COMMON_ERROR_CODES", [*errors.COMMON_ERROR_CODES, "AccessDenied"])
    for name, answer in operations(fake).items():
        monkeypatch.setattr(EBResponse, name, _method(fake, name, answer), raising=False)


def _method(fake: FakeBeanstalk, name: str, answer: Answer) -> Callable[[EBResponse], ActionResult]:
    def method(response: EBResponse) -> ActionResult:
        operation = response._get_action()
        if operation in fake.denied and operation in HIDDEN:
            return ActionResult({HIDDEN[operation]: []})
        if operation in fake.denied:
            user = f"arn:aws:iam::{ACCOUNT}:user/ci"
            raise refusal("AccessDenied", f"User: {user} is not authorized to perform: {fake.denied[operation]}")
        result = answer(response._get_params())
        return EmptyResult() if result is None else ActionResult(result)

    method.__name__ = name
    return method
