"""One exported model for all tests of step 3, and one system that whoever harms nothing may share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from step3_microservices.worker.export import export
from tests.app.step3.postgresql import PostgreSQL, postgresql_server
from tests.app.step3.system import System, running
from tests.app.step3.upstream import Mood, Upstream, upstream


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The offline model, exported in every precision."""
    folder = tmp_path_factory.mktemp("artifacts")
    export("efficientnet_lite0", artifacts=folder)
    return folder


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A server for all: each test has a database of its own in it."""
    with postgresql_server() as server:
        yield server


@pytest.fixture(scope="session")
def system(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Redis, worker and gateway with the settings that a laptop gets."""
    with running(tmp_path_factory.mktemp("system"), ARTIFACTS=str(artifacts)) as system:
        yield system


@pytest.fixture(scope="module")
def recommender() -> Iterator[Upstream]:
    """What stands for the recommender behind a gateway."""
    with upstream() as server:
        yield server


@pytest.fixture
def mood(recommender: Upstream) -> Mood:
    """How that answers in this test, and what it was asked."""
    recommender.mood = Mood()
    return recommender.mood
