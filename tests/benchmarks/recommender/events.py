"""What it costs a page to report: POST /v1/events at a steady rate, through the service, while all is written.

Requests leave when it is their time, whether or not those before are answered. Client, two web processes, Redis,
consumer and database share the machine's cores.
"""

import json
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import sleep, time

from step3_microservices.recommender.event_store import EventStore
from tests.app.serving import wait_until
from tests.app.step3.events_system import KEY, all_written, consuming, event_json
from tests.app.step3.recommending import recommending
from tests.app.step3.system import RedisServer, redis_server
from tests.benchmarks.figures import Figure, p99
from tests.benchmarks.recommender import traffic

PER_SECOND, SECONDS, ROUNDS = 1000, 10, 5
CONNECTIONS = 32
P99_MS = 5.0

_REQUESTS = (traffic.post("/v1/events", json.dumps({"events": [event_json(number)]})) for number in count())


def measure() -> Iterator[Figure]:
    """Yield the time of a request, and how long it takes until the last event is in the database."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        database = f"sqlite:///{folder}/analytics.sqlite"
        unix_socket = folder / "redis.sock"  # as `make run` has one
        with redis_server(folder, unix_socket=unix_socket) as redis, consuming(folder, redis.url, database):
            settings = {"REDIS_URL": redis.url, "WEB_PROCESSES": "2"}
            with recommending(folder, folder / "store", until_ready=False, **settings) as served:
                sleep(1)  # one process is there; a client that came now would have all its connections with that one
                _ask(served.address, 2)  # uncounted
                yield from _steady(served.address, redis, database)


def _steady(address: str, redis: RedisServer, database: str) -> Iterator[Figure]:
    rounds, behind = [], []
    store = EventStore(database)
    for _ in range(ROUNDS):
        rounds.append(_ask(address, SECONDS))
        behind.append(redis.client.xlen(KEY))
    ended = time()
    accepted = (2 + ROUNDS * SECONDS) * PER_SECOND
    wait_until(lambda: all_written(redis.client, store, accepted), within_s=60)
    store.close()
    each = [p99(times) * 1e3 for times in rounds]
    details = f"median of {ROUNDS} rounds of {SECONDS} s; each {', '.join(f'{one:.1f}' for one in each)}; p50 "
    details += f"{median(median(times) for times in rounds) * 1e3:.2f} ms"
    yield Figure.at_most(P99_MS, f"POST /v1/events at {PER_SECOND:,}/s: p99, ms", median(each), details)
    details = f"{accepted:,} events; at most {max(behind):,} waited at the end of a round"
    yield Figure.at_most(5, "seconds until the last of them is in the database", time() - ended, details)


def _ask(address: str, seconds: int) -> list[float]:
    """Send one event in each request for so long; return the seconds that each took."""
    requests = list(islice(_REQUESTS, PER_SECOND * seconds))
    return traffic.in_its_own_process(
        address=address, requests=requests, rate=PER_SECOND, seconds=seconds, clients=CONNECTIONS
    )
