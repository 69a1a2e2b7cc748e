"""The client for programs of step 3: it does what step 2's does, and leaves pictures as jobs."""

import hashlib
import itertools
import json
import threading
import time

import pytest

from step3_microservices.gateway import client as package
from step3_microservices.gateway.client import (
    CancelledError,
    Client,
    ProblemError,
    UnfinishedError,
    UnreachableError,
)
from tests.app.client_contract import ClientContract
from tests.app.http_contract import CAT, CATS, labels
from tests.app.moody import problem
from tests.app.serving import free_port, serving
from tests.app.step3.system import GATEWAY, nobody_working, running
from tests.app.step3.test_page import new_picture
from tests.conftest import SAMPLES

LATE = {"status": 504, "code": "deadline_exceeded", "detail": "It is late.", "remedy": "Come again.", "trace_id": "4b"}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running(tmp_path_factory.mktemp("client"), RUNTIME="tensorflow") as system:
        yield system


@pytest.fixture
def client(service):
    with Client(service.address) as client:
        yield client


def job(status, **fields):
    return 200, {}, json.dumps({"job_id": "a1", "status": status} | fields).encode()


class TestClient(ClientContract):
    """Asks for a picture and waits."""

    package = package


# --- jobs of the real service ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("picture", [SAMPLES / "cat.jpg", CAT], ids=["file", "bytes"])
def test_a_picture_is_left_and_its_answer_waited_for(client, picture):
    answer = client.wait(client.submit(picture, top_k=2, explain=True))

    assert labels(answer)[0] in CATS
    assert len(answer["predictions"]) == 2
    assert answer["explanation"]["class_index"] == 285
    assert answer["predictions"] == client.classify(picture, top_k=2)["predictions"]


def test_a_job_tells_how_it_is_until_it_has_ended(client, service):
    with nobody_working(service):
        job_ids = [client.submit(new_picture()) for _ in range(3)]
        found = client.job(job_ids[2])
        assert (found["job_id"], found["status"], found["position"]) == (job_ids[2], "queued", 3)
        with pytest.raises(UnfinishedError, match=r"within 0\.2 s; it is queued"):
            client.wait(job_ids[2], timeout_s=0.2)

    assert len(client.wait(job_ids[2], timeout_s=60)["predictions"]) == 5
    assert client.job(job_ids[2])["status"] == "done"


def test_the_same_key_is_the_same_job_and_without_one_each_is_its_own(client):
    picture = new_picture()

    kept = {client.submit(picture, idempotency_key="order 66") for _ in range(3)}
    others = {client.submit(picture) for _ in range(3)}

    assert (len(kept), len(others)) == (1, 3)
    with pytest.raises(ProblemError) as caught:
        client.submit(new_picture(), idempotency_key="order 66")
    assert (caught.value.status, caught.value.problem_code) == (422, "idempotency_key_reused")


def test_what_has_not_begun_can_be_cancelled_and_what_has_ended_cannot(client, service):
    with nobody_working(service):
        job_ids = [client.submit(new_picture()) for _ in range(3)]
        assert client.cancel(job_ids[2])["status"] == "cancelled"
        assert client.cancel(job_ids[2])["status"] == "cancelled"
        with pytest.raises(CancelledError):
            client.wait(job_ids[2])

    client.wait(job_ids[0], timeout_s=60)
    with pytest.raises(ProblemError) as caught:
        client.cancel(job_ids[0])
    assert (caught.value.status, caught.value.problem_code) == (409, "job_started")


def test_what_is_no_picture_is_refused_at_once_and_an_unknown_job_is_told(client):
    with pytest.raises(ProblemError) as caught:
        client.submit(b"no picture")
    assert caught.value.problem_code == "not_an_image"

    for ask in (client.job, client.wait, client.cancel):
        with pytest.raises(ProblemError) as caught:
            ask("ab" * 16)
        assert (caught.value.status, caught.value.problem_code) == (404, "job_not_found")


def test_a_full_queue_is_waited_for(service, tmp_path):
    settings = {"REDIS_URL": service.redis.url, "MAX_QUEUED_JOBS": "2"}
    with serving(GATEWAY, tmp_path, **settings) as small, Client(small.address) as client:
        job_ids = []
        with nobody_working(service):
            job_ids += [client.submit(new_picture()) for _ in range(2)]
            patient = threading.Thread(target=lambda: job_ids.extend(client.submit(new_picture()) for _ in range(3)))
            patient.start()
            time.sleep(0.5)
            assert len(job_ids) <= 3, "one may be on its way to the worker"
        patient.join(60)

        assert all(client.wait(job_id, timeout_s=60)["predictions"] for job_id in job_ids)
    assert len({*job_ids}) == 5


# --- jobs of a service in a mood -------------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", [None, problem(502), problem(503, Retry_After="0")], ids=["broken", "502", "503"])
def test_a_job_that_was_sent_again_goes_with_the_same_key_and_picture(moody, reply):
    server = moody(reply, reply, job("queued"))

    with Client(server.address, api_key="sesame") as client:
        assert client.submit(CAT, top_k=3) == "a1"

    (first, *others) = [(path, headers["Idempotency-Key"], body) for _, path, headers, body in server.asked]
    assert first[0] == "/v1/jobs?top_k=3&explain=false"
    assert others == [first, first]
    assert {headers["Authorization"] for _, _, headers, _ in server.asked} == {"Bearer sesame"}


def test_a_key_that_the_caller_brings_is_sent_as_it_is(moody):
    server = moody(job("queued"))
    key = hashlib.sha256(CAT).hexdigest()

    with Client(server.address) as client:
        client.submit(CAT, idempotency_key=key)

    assert [headers["Idempotency-Key"] for _, _, headers, _ in server.asked] == [key]


def test_a_job_is_asked_about_again_and_again_and_less_and_less_often(moody):
    server = moody(*[job("queued", position=1)] * 6, job("running"), job("done", answer={"predictions": [1]}))

    with Client(server.address) as client:
        assert client.wait("a1") == {"predictions": [1]}

    times = [time for time, *_ in server.asked]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(times) == 8
    often = min(pauses[:3])  # any of them may have met a busy moment
    assert often < 0.5
    assert pauses[-1] > 2 * often


def test_a_service_that_is_gone_for_a_moment_is_asked_again(moody):
    server = moody(job("queued"), problem(503, Retry_After="1"), None, job("done", answer={"predictions": [1]}))

    with Client(server.address) as client:
        assert client.wait("a1") == {"predictions": [1]}

    assert server.asked[2][0] - server.asked[1][0] >= 0.99


@pytest.mark.parametrize("status", ["failed", "expired"])
def test_a_job_that_has_no_answer_raises_its_problem(moody, status):
    server = moody(job(status, problem=LATE))

    with Client(server.address) as client, pytest.raises(ProblemError, match=r"It is late\. Come again\.") as caught:
        client.wait("a1")

    assert (caught.value.status, caught.value.problem_code, caught.value.trace_id) == (504, "deadline_exceeded", "4b")


def test_where_nobody_answers_a_job_is_not_lost_without_a_word():
    with Client(f"http://127.0.0.1:{free_port()}", tries=2) as client:
        for ask in (lambda: client.submit(CAT), lambda: client.wait("a1"), lambda: client.cancel("a1")):
            with pytest.raises(UnreachableError):
                ask()
