"""Step 3 under what a bad hour brings: kills, overload, ruined uploads, and many requests one after the other."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException
from itertools import count
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import psutil
import requests
from redis import Redis

from step3_microservices.worker.export import export
from tests.app.step3.load import Outcomes, classify_once, clients, new_picture
from tests.app.step3.system import System, running
from tests.app.step3.test_jobs import add, ended
from tests.benchmarks.load import Client
from tests.benchmarks.microservices.artifacts import RANDOM, artifacts
from tests.benchmarks.microservices.sides import JPEG
from tests.soak.web import ruined_uploads

KILLS, JOBS_A_KILL = 50, 6
REQUESTS = 100_000
OVERLOAD = 10  # times what the worker can do
REFUSED_WITHIN_S, NORMAL_WITHIN_S = 0.02, 5.0
MOST_GROWTH = 1.05  # of memory, once everything has happened once


def soak(seconds: float) -> int:
    """Run all of it, the overload for that long; return 1 if any promise was broken."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        export("efficientnet_lite0", artifacts=folder / "artifacts", report=lambda _: None)
        settings = {"ARTIFACTS": str(folder / "artifacts")}
        kept = []
        with running(folder, **settings, VISIBILITY_TIMEOUT_S="3") as system:
            kept.append(kills(system))
        with running(folder, **settings) as system:
            web = psutil.Process(system.gateway.process.pid).children()[0]
            kept.append(ruined_uploads(system.gateway, web))
            kept.append(an_hour(system))
        settings = {"ARTIFACTS": str(artifacts()), "MODEL": RANDOM, "PRECISION": "float32", "ANSWER_TTL_S": "0"}
        with running(folder, **settings) as system:
            kept.append(overload(system, seconds))
    return int(not all(kept))


def kills(system: System) -> bool:
    """Kill the worker again and again in the middle of work: jobs are all done, requests answered or 504 in time."""
    jobs: list[str] = []
    with clients(4, partial(classify_once, system.address)) as outcomes:
        for number in range(KILLS):
            jobs += [add(system, new_picture()).json()["job_id"] for _ in range(JOBS_A_KILL)]
            time.sleep(0.01 * number)
            for process in system.worker_processes():
                os.kill(process.pid, signal.SIGKILL)
            _wait_for_answers(outcomes, outcomes.statuses.count(200) + 10)  # from the one that takes its place
    states = Counter(ended(system, job, within_s=120)["status"] for job in jobs)
    told = Counter(outcomes.statuses)
    print(f"{KILLS} kills: jobs {dict(states)}, requests {dict(told)}, without an answer {len(outcomes.errors)}")
    return states.keys() == {"done"} and set(told) <= {200, 504} and not outcomes.errors


def _wait_for_answers(outcomes: Outcomes, count: int) -> None:
    deadline = time.monotonic() + 60
    while outcomes.statuses.count(200) < count and time.monotonic() < deadline:
        time.sleep(0.05)


def an_hour(system: System) -> bool:
    """Ask as often as in a busy hour, each picture about five times: memory stays, and so does what Redis holds."""
    pictures = [new_picture(number) for number in range(2000)]
    numbers, session = count(), requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=8))
    resident = []

    def ask(number: int) -> int:
        body = pictures[number % len(pictures)] + number.to_bytes(4, "big") * (number % 5 == 0)
        return session.post(f"{system.address}/v1/classify", data=body, timeout=60).status_code

    statuses: Counter[int] = Counter()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            statuses.update(pool.map(ask, [next(numbers) for _ in range(REQUESTS // 10)]))
            resident.append(_memory_mb(system))
            print(f"{statuses.total():,} requests: {dict(statuses)}, {resident[-1]}", flush=True)
    forever = [key for key in Redis.from_url(system.redis.url).scan_iter() if system.redis.client.ttl(key) == -1]
    settled = {name: max(at[name] for at in resident[2:5]) for name in resident[0]}
    is_flat = all(resident[-1][name] <= MOST_GROWTH * settled[name] for name in settled)
    return set(statuses) == {200} and is_flat and not forever


def _memory_mb(system: System) -> dict[str, int]:
    web = psutil.Process(system.gateway.process.pid).children()[0]
    (worker,) = system.worker_processes()
    redis = psutil.Process(system.redis.process.pid) if system.redis.process else web
    named = {"gateway": web, "worker": worker, "redis": redis}
    return {name: round(process.memory_info().rss / 1e6) for name, process in named.items()}


def overload(system: System, seconds: float) -> bool:
    """Send ten times what the worker can do: what is accepted is answered in time, the rest refused at once."""
    with clients(4, partial(classify_once, system.address)) as outcomes:
        time.sleep(5)
    capacity = len(outcomes.statuses) / 5
    before = _memory_mb(system)
    with _arrivals(system.address, OVERLOAD * capacity) as told:
        time.sleep(seconds)
    over = time.monotonic()
    while True:
        after = Outcomes()
        classify_once(system.address, after)
        if after.statuses == [200] and after.seconds[0] < 1:
            break
    normal_after_s = time.monotonic() - over
    refused = sorted(s for s, code in zip(told.seconds, told.statuses, strict=True) if code == requests.codes.too_many)
    median, p99 = quantiles(refused, n=100)[49], quantiles(refused, n=100)[98]
    print(
        f"{OVERLOAD} times {capacity:.0f} images/s for {seconds:.0f} s: {dict(Counter(told.statuses))}, refused within "
        f"{median * 1e3:.0f} ms (p99 {p99 * 1e3:.0f}), slowest answer {told.slowest(200):.1f} s, normal after "
        f"{normal_after_s:.1f} s, memory {before} -> {_memory_mb(system)}"
    )
    is_fast = median <= REFUSED_WITHIN_S and normal_after_s <= NORMAL_WITHIN_S
    return set(told.statuses) <= {200, 429} and not told.errors and is_fast and told.slowest(200) < 30


@contextmanager
def _arrivals(address: str, per_second: float) -> Iterator[Outcomes]:
    """Let requests arrive at a rate, whether or not those before are answered."""
    client, outcomes = Client(address, JPEG, timeout_s=60), Outcomes()
    pictures = [new_picture() for _ in range(500)]
    stop = False

    def ask(number: int) -> None:
        body = pictures[number % len(pictures)] + number.to_bytes(4, "big")
        started = time.monotonic()
        try:
            status, _ = client.ask(body)
        except (OSError, HTTPException) as error:
            outcomes.errors.append(repr(error))
            return
        outcomes.seconds.append(time.monotonic() - started)
        outcomes.statuses.append(status)

    def arrive(pool: ThreadPoolExecutor) -> None:
        started = time.monotonic()
        for number in count():
            if stop:
                return
            time.sleep(max(0.0, started + number / per_second - time.monotonic()))
            pool.submit(ask, number)

    with ThreadPoolExecutor(64) as pool, ThreadPoolExecutor(1) as clock:
        arriving = clock.submit(arrive, pool)
        try:
            yield outcomes
        finally:
            stop = True
            arriving.result()
