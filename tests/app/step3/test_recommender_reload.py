"""Models that come, go and are damaged while people ask: nobody notices, but for the model version."""

import gc
import logging
import threading
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import boto3
import pytest
import requests
from moto import mock_aws

from shared.recommender.fallback import recommend
from shared.recommender.manifest import LISTS
from step3_microservices.gateway.problems import NotReadyError
from step3_microservices.recommender.artifact_stores import CURRENT, ArtifactStore
from step3_microservices.recommender.reload import REFUSED, SWAPPED, Served
from tests.app.serving import wait_until
from tests.app.step3.recommending import published, recommending
from tests.model.recommended import LISTS as OF_USERS
from tests.model.recommended import written

REFUSALS = 'recommender_reloads_total{outcome="refused"}'
OTHER = {**OF_USERS, "ann": (7, 8, 9)}


@pytest.fixture
def source(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def served(source, tmp_path):
    """What a web process has, before it has looked, and what it was told."""
    return Served(ArtifactStore(str(source)), tmp_path / "cache"), []


def look(served):
    served[0].look(served[1].append)


def of_ann(artifact):
    return artifact.lists.get("ann")


def mapped(version):
    return version in Path("/proc/self/maps").read_text()


needs_maps = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="this system does not tell what is mapped")


def test_without_an_artifact_it_is_said_what_to_do(served):
    look(served)

    with pytest.raises(NotReadyError, match="holds none") as raised:
        served[0].artifact  # noqa: B018 - it is asked for
    assert "recommender.train" in raised.value.remedy
    assert served[1] == []


def test_an_artifact_is_picked_up_when_it_appears_and_then_replaced(served, source):
    look(served)
    published(source)
    look(served)
    assert of_ann(served[0].artifact) == (3, 1, 4)

    published(source, lists=OTHER)
    look(served)
    look(served)

    assert of_ann(served[0].artifact) == (7, 8, 9)
    assert served[1] == [SWAPPED, SWAPPED]


@needs_maps
def test_who_still_asks_the_old_one_is_answered_and_then_it_is_closed(served, source):
    old = published(source)
    look(served)
    held = served[0].artifact

    published(source, lists=OTHER)
    look(served)

    assert of_ann(held) == (3, 1, 4)
    assert mapped(old)
    del held
    gc.collect()
    assert not mapped(old)


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:4096])])
def test_a_bad_one_is_refused_once_and_the_old_one_stays(served, source, harm, caplog):
    good = published(source)
    look(served)
    bad = published(source, lists=OTHER)
    harm(source / bad / LISTS)

    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            look(served)

    assert served[0].artifact.manifest.version == good
    assert served[1] == [SWAPPED, REFUSED]
    assert [record.fields["reason"] for record in caplog.records if LISTS in record.fields["reason"]]
    assert len(caplog.records) == 1


def test_a_bad_one_that_was_mended_is_served(served, source):
    published(source)
    look(served)
    bad = published(source, lists=OTHER)
    (source / bad / LISTS).write_bytes(b"")
    look(served)

    written(source, lists=OTHER)
    look(served)

    assert of_ann(served[0].artifact) == (7, 8, 9)


def test_a_bad_first_one_says_why(served, source):
    bad = published(source)
    (source / bad / LISTS).write_bytes(b"")
    look(served)

    with pytest.raises(NotReadyError, match="has 0 bytes"):
        served[0].artifact  # noqa: B018 - it is asked for


def test_going_back_is_a_replacement_too(served, source):
    first = published(source)
    look(served)
    published(source, lists=OTHER)
    look(served)

    ArtifactStore(str(source)).set_current(first)
    look(served)

    assert of_ann(served[0].artifact) == (3, 1, 4)


def test_a_bucket_is_looked_into_like_a_folder(source, tmp_path):
    published(source)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="recommendations")
        store = ArtifactStore("s3://recommendations", client)
        served = Served(store, tmp_path / "cache"), []
        look(served)
        assert served[0].manifest() is None

        version = store.publish(source / ArtifactStore(str(source)).current()).version
        store.set_current(version)
        look(served)

    assert of_ann(served[0].artifact) == (3, 1, 4)
    assert served[1] == [SWAPPED]


def test_a_pointer_that_vanishes_changes_nothing(served, source):
    published(source)
    look(served)

    (source / CURRENT).unlink()
    look(served)

    assert [str(one.reason) for one in recommend(served[0].artifact, "ann", None, 1)] == ["collaborative"]


def test_the_service_starts_without_an_artifact_and_takes_it_when_it_appears(tmp_path, source):
    with recommending(tmp_path, source, until_ready=False) as service:
        answers = [requests.get(service.address + path, timeout=10) for path in ("/readyz", "/v1/recommendations")]
        assert [answer.status_code for answer in answers] == [503, 503]
        assert {answer.json()["code"] for answer in answers} == {"not_ready"}
        assert "recommender.train" in answers[0].json()["remedy"]
        assert "Retry-After" in answers[0].headers

        version = published(source)

        wait_until(lambda: requests.get(f"{service.address}/readyz", timeout=10).ok)
        assert requests.get(f"{service.address}/readyz", timeout=10).json()["model_version"] == version


@contextmanager
def asking(address):
    """Let eight clients ask as long as the block lasts; yield the answers and the failures."""
    answers, failures, stopping = [], [], threading.Event()

    def ask():
        with requests.Session() as session:
            while not stopping.is_set():
                try:
                    answer = session.get(f"{address}/v1/recommendations?user_id=ann&n=2&country=FR", timeout=10)
                    answer.raise_for_status()
                    answers.append(answer.json())
                except requests.RequestException as error:
                    failures.append(error)

    clients = [threading.Thread(target=ask) for _ in range(8)]
    for client in clients:
        client.start()
    try:
        yield answers, failures
    finally:
        stopping.set()
        for client in clients:
            client.join()


def test_models_change_under_load_without_a_failed_request(tmp_path, source):
    """Two processes, eight clients, and a model that changes all the time; a damaged one comes by, too."""
    lists = {published(source, lists=given): given for given in (OF_USERS, OTHER, {**OF_USERS, "ann": (6,)})}
    bad = written(source, trained_until=date(2026, 11, 23)).version
    (source / bad / LISTS).write_bytes(b"not whole")

    with recommending(tmp_path, source, WEB_PROCESSES="2", RELOAD_INTERVAL_S="0.05") as service:
        # Both: one that meets the damaged model first has none to go on with.
        wait_until(lambda: service.output.read_text().count('"message": "serving"') == 2)
        with asking(service.address) as (answers, failures):
            for version in [*lists, bad] * 3:
                (source / CURRENT).write_text(f"{version}\n")
                if version == bad:
                    wait_until(lambda: REFUSALS in requests.get(f"{service.address}/metrics", timeout=10).text)
                else:
                    wait_until(lambda version=version: answers and answers[-1]["model_version"] == version)

    assert failures == []
    assert {answer["model_version"] for answer in answers} == {*lists}
    for answer in answers:
        expected = (*lists[answer["model_version"]]["ann"], 20)[:2]
        assert [item["item_id"] for item in answer["items"]] == [f"app-{number}" for number in expected]
