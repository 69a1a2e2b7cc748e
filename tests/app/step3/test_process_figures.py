"""What a service tells of its processes, and of the limit of memory that it runs under: a real one, of the kernel."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import requests
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector
from redis import Redis

from step3_microservices.drift import Drift
from step3_microservices.gateway.redis_figures import RedisFigures
from step3_microservices.process_figures import ProcessFigures
from step3_microservices.recommender.event_stream import EventStream
from tests.app.http_contract import counted
from tests.app.serving import free_port, wait_until
from tests.app.step3.events_system import consuming, event_json
from tests.app.step3.recommending import published, recommending
from tests.app.step3.system import has_redis, redis_server
from tests.benchmarks.recommender.limits import limited

LIMIT = 96 << 20
KINDS = ("impression", "click")
FILL = """
import sys
held = bytearray(int(sys.argv[1]))
held[::4096] = b'1' * len(held[::4096])
print('held', flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of processes in files")


def told(figures: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(figures)
    return registry


def send(address: str, numbers: range) -> None:
    events = [event_json(number, "click" if number == 7 else "impression") for number in numbers]
    assert requests.post(f"{address}/v1/events", json={"events": events}, timeout=10).ok


def test_every_process_of_a_service_tells_its_memory_processor_and_start(tmp_path):
    published(tmp_path / "store")

    with recommending(tmp_path, tmp_path / "store", WEB_PROCESSES="2") as service:
        leader = psutil.Process(service.process.pid)
        wait_until(lambda: len(leader.children()) == 2)
        processes = [leader, *leader.children()]
        before = {one.pid: one.memory_info().rss for one in processes}  # one may still be starting
        figures = counted(service.address)
        after = {one.pid: one.memory_info().rss for one in processes}
        started = {one.pid: one.create_time() for one in processes}

    for pid, at_first in before.items():
        lowest, highest = sorted((at_first, after[pid]))
        assert 0.9 * lowest <= figures["process_resident_memory_bytes", f"pid={pid}"] <= 1.1 * highest
        assert figures["process_start_time_seconds", f"pid={pid}"] == pytest.approx(started[pid], abs=1.5)
        assert 0 <= figures["process_cpu_seconds_total", f"pid={pid}"] < 60
    assert sum(name == "process_start_time_seconds" for name, *_ in figures) == 3


@pytest.mark.skipif(not has_redis(), reason="there is no Redis")
def test_events_are_told_from_the_door_to_the_database(tmp_path):
    port = free_port()

    with redis_server(tmp_path) as redis:
        stream = EventStream(redis.client)
        with recommending(tmp_path, tmp_path, until_ready=False, REDIS_URL=redis.url) as service:
            send(service.address, range(20))
            time.sleep(0.5)
            before = counted(service.address)
            database = f"sqlite:///{tmp_path}/analytics.sqlite"

            def written(outcome: str) -> float:  # counted a moment after they have left the stream
                return counted(f"http://127.0.0.1:{port}")["recommender_events_total", f"outcome={outcome}"]

            with consuming(tmp_path, redis.url, database, EVENTS_METRICS_PORT=str(port)):
                wait_until(lambda: stream.backlog().events == 0 and written("written") == 20)
                consumer = counted(f"http://127.0.0.1:{port}")
                send(service.address, range(30))
                wait_until(lambda: stream.backlog().events == 0 and written("known") == 20)
                consumer_later = counted(f"http://127.0.0.1:{port}")
            after = counted(service.address)

    assert before["recommender_events_waiting",] == 20
    assert 0.5 <= before["recommender_events_oldest_seconds",] < 30
    accepted = [after["recommender_events_accepted_total", "arm=control", f"event={kind}"] for kind in KINDS]
    assert accepted == [48, 2], "at the door nobody knows which are sent again"
    assert after["recommender_events_waiting",] == after["recommender_events_oldest_seconds",] == 0
    assert consumer["recommender_events_total", "outcome=written"] == 20
    assert consumer_later["recommender_events_total", "outcome=written"] == 30
    assert consumer_later["recommender_events_total", "outcome=known"] == 20
    assert sum(name == "process_resident_memory_bytes" for name, *_ in consumer) == 1


def test_a_limit_of_memory_is_told_with_what_is_used_of_it_and_who_was_killed():
    with limited(LIMIT) as group:
        if group is None:
            pytest.skip("this machine or user may make no control group")
        registry = told(ProcessFigures(os.getpid, [group.folder]))
        held = subprocess.Popen(
            group.command([sys.executable, "-c", FILL, str(48 << 20)]), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert held.stdout
        assert held.stdout.readline() == b"held\n"
        used = registry.get_sample_value("container_memory_used_bytes")
        kills = registry.get_sample_value("container_memory_kills_total")
        held.communicate()
        too_much = subprocess.run(
            group.command([sys.executable, "-c", FILL, str(2 * LIMIT)]), capture_output=True, check=False
        )
        kills_later = registry.get_sample_value("container_memory_kills_total")

    assert used is not None
    assert 48 << 20 <= used < 80 << 20
    assert too_much.returncode == -9
    assert (kills, kills_later) == (0, 1)


@pytest.mark.parametrize(
    "files",
    [
        {"memory.current": "1000", "memory.max": "max", "memory.stat": "inactive_file 10\n"},
        {"memory.usage_in_bytes": "1000", "memory.limit_in_bytes": "9223372036854771712"},
    ],
)
def test_without_a_limit_of_memory_none_is_told(files: dict[str, str], tmp_path: Path):
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    registry = told(ProcessFigures(os.getpid, [tmp_path]))

    assert registry.get_sample_value("container_memory_limit_bytes") is None
    assert registry.get_sample_value("process_resident_memory_bytes", {"pid": str(os.getpid())})


def test_the_second_version_of_control_groups_is_read_as_well(tmp_path):
    pages = "anon 600\ninactive_file 200\nactive_file 100\n"
    files = {"current": "1000", "max": "4000", "stat": pages, "events": "oom 3\noom_kill 2\n"}
    for name, text in files.items():
        (tmp_path / f"memory.{name}").write_text(text)

    registry = told(ProcessFigures(os.getpid, [tmp_path]))

    names = ("container_memory_used_bytes", "container_memory_limit_bytes", "container_memory_kills_total")
    assert [registry.get_sample_value(name) for name in names] == [700, 4000, 2]


@pytest.mark.skipif(not has_redis(), reason="there is no Redis")
def test_redis_tells_how_full_it_is_and_when_it_cannot_write_its_file(tmp_path):
    folder = tmp_path / "redis"
    folder.mkdir()

    with redis_server(folder) as server:
        redis = server.client
        registry = told(RedisFigures(redis, Drift(redis, window_h=24, min_pictures=200)))
        names = ("redis_memory_max_bytes", "redis_disk_ok")
        redis.config_set("maxmemory", 0)
        at_first = [registry.get_sample_value(name) for name in names]
        redis.config_set("maxmemory", "64mb")
        save_without_its_folder(redis, folder)
        later = [registry.get_sample_value(name) for name in names]
        used = registry.get_sample_value("redis_memory_used_bytes")

    assert at_first == [None, 1]
    assert later == [64 << 20, 0]
    assert used is not None
    assert 100_000 < used < 64 << 20


def save_without_its_folder(redis: Redis, folder: Path) -> None:
    shutil.rmtree(folder)
    redis.bgsave()
    wait_until(lambda: not redis.info("persistence")["rdb_bgsave_in_progress"])
