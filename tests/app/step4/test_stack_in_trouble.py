"""Step 4 while its services are killed, stopped, multiplied, and while what they need runs out."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from docker import DockerClient

from tests.app.serving import wait_until
from tests.app.step3.load import Outcomes, clients, new_picture
from tests.app.step4.docker_host import REVISION
from tests.app.step4.stack import Stack, problem, running

PROMISED = {200, 429, 503, 504}
"""What a client may be told while something is away: the answer, or a problem that says when to come again."""

NOT_TAKEN = 0
EVERYBODY = ("gateway", "worker", "recommender", "events", "frontend", "redis")

FULL_DISK = """
volumes:
  redis: {driver: local, driver_opts: {type: tmpfs, device: tmpfs, o: "size=8m,uid=999,gid=999,mode=0700"}}
"""


def ask(stack: Stack) -> Callable[[Outcomes], None]:
    def once(outcomes: Outcomes) -> None:
        try:
            response = stack.classify(new_picture())
        except requests.RequestException as error:
            outcomes.errors.append(repr(error))
            return
        outcomes.statuses.append(response.status_code)
        if not response.ok:
            assert {"code", "detail", "remedy"} <= {*problem(response)}
            time.sleep(0.2)

    return once


@contextmanager
def load(stack: Stack, count: int = 4) -> Iterator[Outcomes]:
    """Have clients ask for answers to new pictures as long as the block lasts, and for a second before and after."""
    with clients(count, ask(stack)) as outcomes:
        time.sleep(1)
        yield outcomes
        time.sleep(1)


def wait_until_answered(stack: Stack) -> None:
    deadline = time.monotonic() + 90
    while not is_answered(stack):
        assert time.monotonic() < deadline, stack.logs()
        time.sleep(0.2)


def is_answered(stack: Stack) -> bool:
    try:
        return stack.classify(new_picture(), timeout_s=3).ok
    except requests.Timeout:
        return False


@pytest.mark.parametrize("service", ["worker", "gateway", "recommender", "events", "redis"])
def test_a_service_that_is_killed_costs_no_more_than_a_problem_and_comes_back(stack: Stack, service: str):
    with load(stack) as outcomes:
        stack.compose("kill", "--signal", "SIGKILL", service)
        time.sleep(1)
        stack.up(service)  # alone: who needs it may be unhealthy by now, and Compose would wait for nobody
        wait_until_answered(stack)
        told_before = len(outcomes.statuses)
        # Who has waited for the one that was killed may be told a 504 yet.
        wait_until(lambda: 200 in outcomes.statuses[told_before:], within_s=90)

    assert outcomes.errors == []
    assert {*outcomes.statuses} <= PROMISED, Counter(outcomes.statuses)
    if service in {"recommender", "events"}:
        assert {*outcomes.statuses} == {200}, "the classifier has nothing to do with it"


def test_a_redis_that_vanishes_without_a_word_and_comes_back_elsewhere_is_found_again(stack: Stack):
    # As when a machine is lost: nobody closes the connections, and what was at that address answers no more.
    back = stack.client.networks.get(f"{stack.project}_back")
    (redis,) = stack.containers("redis")
    before = redis.attrs["NetworkSettings"]["Networks"][back.name]["IPAddress"]
    back.disconnect(redis, force=True)
    somebody = stack.client.containers.run(
        redis.image, entrypoint=["sleep", "120"], command=[], network=back.name, detach=True, remove=True
    )
    try:
        back.connect(redis, aliases=["redis"])
        redis.reload()

        wait_until_answered(stack)

        assert redis.attrs["NetworkSettings"]["Networks"][back.name]["IPAddress"] != before
    finally:
        somebody.kill()


def test_accepted_jobs_outlive_the_worker_and_redis(stack: Stack):
    accepted = [
        requests.post(f"{stack.address}/v1/jobs", data=new_picture(), timeout=10).headers["Location"] for _ in range(20)
    ]
    wait_until(lambda: is_written_down(stack))

    stack.compose("kill", "--signal", "SIGKILL", "worker", "redis")
    stack.up("worker", "redis")

    assert [status_of(stack, location) for location in accepted] == ["done"] * len(accepted)


def is_written_down(stack: Stack) -> bool:
    """Return whether Redis has written all that it was told: within a second, or later on a disk that is busy."""
    told = stack.redis("info", "persistence").split()
    return {"aof_enabled:1", "aof_buffer_length:0", "aof_pending_bio_fsync:0"} <= {*told}


def status_of(stack: Stack, location: str) -> str:
    deadline = time.monotonic() + 60
    while True:
        status = requests.get(stack.address + location, timeout=10).json()["status"]
        if status in {"done", "failed", "expired"} or time.monotonic() > deadline:
            return status
        time.sleep(0.2)


def test_a_second_worker_and_its_end_lose_nothing(stack: Stack):
    with load(stack) as outcomes:
        stack.up("--scale", "worker=2", "--no-recreate", "worker")
        assert len(stack.containers("worker")) == 2
        time.sleep(2)
        stack.up("--scale", "worker=1", "--no-recreate", "worker")

    assert outcomes.errors == []
    assert {*outcomes.statuses} == {200}
    assert len(stack.containers("worker")) == 1


def test_clients_under_the_limits_of_memory_leave_everybody_alive(stack: Stack):
    (gateway,) = stack.containers("gateway")
    restarts = restarts_of_everybody(stack)  # of other tests
    gateway.update(mem_limit="128m", memswap_limit="128m")  # what photographs need; the default is for larger pictures

    try:
        with load(stack, 16) as outcomes:
            time.sleep(8)
    finally:
        gateway.update(mem_limit="192m", memswap_limit="384m")

    for service in EVERYBODY:
        for container in stack.containers(service):
            assert container.attrs["State"]["OOMKilled"] is False
            assert container.attrs["State"]["Running"] is True
    assert restarts_of_everybody(stack) == restarts
    assert "out of memory" not in gateway.logs().decode()
    assert outcomes.errors == []
    assert {*outcomes.statuses} <= {200, 429}


def restarts_of_everybody(stack: Stack) -> dict[str, int]:
    return {one.name: one.attrs["RestartCount"] for service in EVERYBODY for one in stack.containers(service)}


def test_redis_at_the_end_of_its_memory_is_a_problem_and_no_crash(stack: Stack):
    stack.redis("config", "set", "maxmemory", "1")
    try:
        # While Redis still makes room by what would expire it takes what it is told, and drops it a moment later.
        told = list(until_refused(stack))
    finally:
        stack.redis("config", "set", "maxmemory", "160mb")

    assert {response.status_code for response in told} <= PROMISED
    assert problem(told[-1])["code"] == "not_ready"
    wait_until_answered(stack)


def until_refused(stack: Stack, within_s: float = 90) -> Iterator[requests.Response]:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        response = stack.classify(new_picture())
        yield response
        if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            return


def test_a_disk_that_is_full_is_a_problem_and_no_crash(
    docker_client: DockerClient, container_images: dict[str, str], tmp_path: Path
):
    with running(docker_client, REVISION.tag, tmp_path, "frontend", override=FULL_DISK) as stack:
        redis = stack.containers("redis")[0]
        redis.exec_run(["sh", "-c", "cat /dev/zero > /data/everything"])
        statuses = [stack.classify(new_picture()) for _ in range(12) if time.sleep(0.3) is None]
        redis.exec_run(["rm", "/data/everything"])
        wait_until_answered(stack)

    refused = [response for response in statuses if not response.ok]
    assert refused, "Redis writes everything down"
    assert {problem(response)["code"] for response in refused} == {"not_ready"}


def test_a_stop_lets_requests_finish_and_nothing_is_left(
    docker_client: DockerClient, container_images: dict[str, str], tmp_path: Path
):
    with running(docker_client, REVISION.tag, tmp_path, "frontend", "recommender") as stack:
        told: list[tuple[float, int]] = []
        with clients(8, until_not_taken(stack, told)):
            time.sleep(2)
            stopped = time.monotonic()
            stack.compose("stop")
        ended = [stack.containers(name)[0].attrs["State"]["ExitCode"] for name in ("frontend", "gateway", "worker")]
    labels = {"label": f"com.docker.compose.project={stack.project}"}

    # Who had sent a request before the stop was answered. Later ones were answered, or not taken: the door is closed.
    assert {status for sent, status in told if sent < stopped} == {200}
    assert {status for sent, status in told if sent >= stopped} <= {200, NOT_TAKEN}
    assert ended == [0, 0, 0]
    assert docker_client.containers.list(all=True, filters=labels) == []
    assert docker_client.networks.list(filters=labels) == []
    assert docker_client.volumes.list(filters=labels) == []


def until_not_taken(stack: Stack, told: list[tuple[float, int]]) -> Callable[[Outcomes], None]:
    """Ask, each time on a new connection; note when all of it was sent, or could not be, and what was answered.

    The first that is not taken ends it.
    """
    is_over = threading.Event()

    def once(_: Outcomes) -> None:
        if is_over.wait(0.05):
            return
        sent = None
        with closing(HTTPConnection(urlsplit(stack.address).netloc, timeout=60)) as connection:
            try:
                connection.request("POST", "/v1/classify", new_picture())
                sent = time.monotonic()
                with connection.getresponse() as response:
                    response.read()
                    status = response.status
            except (ConnectionError, HTTPException):
                status = NOT_TAKEN
                is_over.set()
        told.append((sent or time.monotonic(), status))

    return once
