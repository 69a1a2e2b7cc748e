"""What it costs a page to report: POST /v1/events at a steady rate, through gunicorn and Redis, while all is written.

Requests leave when it is their time, whether or not those before are answered. Client, two web processes, Redis,
consumer and database share the machine's cores.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, time

from step3_microservices.recommender.event_store import EventStore
from tests.app.serving import serving
from tests.app.step3.events_system import KEY, SERVICE, all_written, consuming, event_json, eventually
from tests.app.step3.system import RedisServer, redis_server
from tests.benchmarks.figures import Figure, p99

PER_SECOND, SECONDS, ROUNDS = 1000, 10, 5
CONNECTIONS = 32
P99_MS = 5.0

_numbers = count()


def measure() -> Iterator[Figure]:
    """Yield the time of a request, and how long it takes until the last event is in the database."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        database = f"sqlite:///{folder}/analytics.sqlite"
        with redis_server(folder) as redis, consuming(folder, redis.url, database):
            settings = {"REDIS_URL": redis.url, "ANALYTICS_DATABASE": database, "WEB_PROCESSES": "2"}
            with serving(SERVICE, folder, until_ready=False, **settings) as served:
                asyncio.run(ask(served.address, PER_SECOND, 2))  # uncounted
                yield from _steady(served.address, redis, database)


def _steady(address: str, redis: RedisServer, database: str) -> Iterator[Figure]:
    rounds, behind = [], []
    store = EventStore(database)
    for _ in range(ROUNDS):
        times, statuses = asyncio.run(ask(address, PER_SECOND, SECONDS))
        behind.append(redis.client.xlen(KEY))
        if set(statuses) != {202}:
            raise RuntimeError(f"not all were accepted: {statuses}")
        rounds.append(times)
    ended = time()
    accepted = (2 + ROUNDS * SECONDS) * PER_SECOND
    eventually(lambda: all_written(redis.client, store, accepted), within_s=60)
    store.close()
    each = [p99(times) * 1e3 for times in rounds]
    details = f"median of {ROUNDS} rounds of {SECONDS} s; each {', '.join(f'{one:.1f}' for one in each)}; p50 "
    details += f"{median(median(times) for times in rounds) * 1e3:.2f} ms"
    yield Figure.at_most(P99_MS, f"POST /v1/events at {PER_SECOND:,}/s: p99, ms", median(each), details)
    details = f"{accepted:,} events; at most {max(behind):,} waited at the end of a round"
    yield Figure.at_most(5, "seconds until the last of them is in the database", time() - ended, details)


async def ask(address: str, per_second: int, seconds: float) -> tuple[list[float], Counter[int]]:
    """Send one event in each request at that rate; return the seconds of each, and how often each status came."""
    host, port = address.removeprefix("http://").split(":")
    free: asyncio.LifoQueue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.LifoQueue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection(host, int(port)))
    times: list[float] = []
    statuses: Counter[int] = Counter()

    async def ask_once() -> None:
        request = _request()
        began = perf_counter()
        connection = await free.get()  # a request that has to wait for one waits on the clock
        reader, writer = connection
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        times.append(perf_counter() - began)
        statuses[int(head.split(b" ", 2)[1])] += 1
        free.put_nowait(connection)

    started = perf_counter()
    async with asyncio.TaskGroup() as asking:
        for number in range(int(per_second * seconds)):
            await asyncio.sleep(max(0.0, started + number / per_second - perf_counter()))
            asking.create_task(ask_once())
    while not free.empty():
        free.get_nowait()[1].close()
    return times, statuses


def _request() -> bytes:
    body = json.dumps({"events": [event_json(next(_numbers))]}).encode()
    head = f"POST /v1/events HTTP/1.1\r\nHost: here\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
