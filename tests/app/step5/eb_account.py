"""What the tests of Elastic Beanstalk work with: an account that is a fake, and a deployment for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache

import boto3
import pytest
from moto import mock_aws

from step5_orchestration.deploy.aws_errors import explained
from step5_orchestration.deploy.container_images import ContainerImages
from step5_orchestration.deploy.elastic_beanstalk.account import Environment
from step5_orchestration.deploy.elastic_beanstalk.deployment import Deployment
from step5_orchestration.deploy.elastic_beanstalk.verbs import bring_about
from step5_orchestration.deploy.elastic_beanstalk.workplace import Clients, Workplace
from step5_orchestration.deploy.errors import SmokeTestError
from tests.app.step5.beanstalk_fake import ACCOUNT, CREDENTIALS, REGION, FakeBeanstalk, FakeClock, install

NAMES = ("gateway", "worker", "recommender", "frontend")


def pushed(revision: str) -> ContainerImages:
    """Images as of a push of that revision, in a registry that is not asked."""
    digest = (revision * 6)[:64]
    return ContainerImages(revision, {name: f"registry.example/{name}@sha256:{digest}" for name in NAMES})


FIRST, SECOND, THIRD = pushed("aaaaaaaaaaaa"), pushed("bbbbbbbbbbbb"), pushed("cccccccccccc")


def wanted(**other: object) -> Deployment:
    given = {"application": "classifier", "environment": "staging", "platform": "docker", "owner": "ann"}
    return Deployment(**(given | {"cname": "staging"} | other))


@dataclass
class Told:
    """Progress that is kept."""

    lines: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.lines.append(text)

    def waiting(self, text: str) -> None:
        self.waits.append(text)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass
class Account:
    """The fake, and what the tool is handed."""

    beanstalk: FakeBeanstalk
    clock: FakeClock
    told: Told
    broken: set[str] = field(default_factory=set)  # revisions that do not pass the smoke test
    tested: list[str] = field(default_factory=list)

    @property
    def at(self) -> Workplace:
        most = timedelta(minutes=10)
        return Workplace("classifier", "staging", clients(), self.clock, self.told, self.smoke_test, most)

    def apply(self, images: ContainerImages = FIRST, budget: float | None = None, **other: object) -> Environment:
        with explained("deploy.json"):
            return bring_about(wanted(**other), images, budget, self.at)

    def smoke_test(self, address: str) -> None:
        label = self.environment.label
        self.tested.append(address)
        if label.partition("-")[0] in self.broken:
            raise SmokeTestError(f"{address} sees 'a dog'.", "Look at the logs.")

    @property
    def environment(self):
        return self.beanstalk.named("staging")

    @property
    def running(self) -> str:
        """The revision that runs."""
        return self.environment.label.partition("-")[0]

    def bundles(self) -> list[str]:
        try:
            found = self.at.clients.s3.list_objects_v2(Bucket=f"elasticbeanstalk-{REGION}-{ACCOUNT}")
        except self.at.clients.s3.exceptions.NoSuchBucket:
            return []
        return [one["Key"] for one in found.get("Contents", ())]


CALLS: set[str] = set()


@cache
def clients() -> Clients:
    """Real clients, whose requests moto answers; each operation that they are asked for is noted in CALLS."""
    session = boto3.Session(region_name=REGION, **CREDENTIALS)
    services = {name: session.client(name) for name in ("elasticbeanstalk", "s3", "sts", "ecr")}
    for client in services.values():
        client.meta.events.register("before-call", lambda model, **_: CALLS.add(model.name))
    return Clients(services["elasticbeanstalk"], services["s3"], services["sts"], services["ecr"])


@contextmanager
def fake_account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    clock, told = FakeClock(), Told()
    CALLS.clear()
    beanstalk = FakeBeanstalk(clock)
    with mock_aws():
        install(beanstalk, monkeypatch)
        account = Account(beanstalk, clock, told)
        yield account
