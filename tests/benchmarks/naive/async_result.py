"""Threads of a web process that wait for Celery's result, against a reply list of their own, which wakes them (BLPOP).

Celery's Redis backend subscribes to a channel for each task, stores each result and publishes it, and keeps it for a
day: `python -m tests.benchmarks.naive.async_result`.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from uuid import uuid4

from celery import Celery
from redis import Redis

from tests.benchmarks.figures import p99, seconds
from tests.benchmarks.naive.workers import connection, redis, worker

THREADS, REQUESTS, ROUNDS = 8, 250, 4
TIMEOUT_S, REPLY_TTL_S = 30, 60

app = Celery("async_result")


@app.task(name="with_result")
def with_result() -> str:
    return "espresso"


@app.task(name="with_reply", ignore_result=True)
def with_reply(reply: str) -> None:
    with connection().pipeline(transaction=False) as pipe:
        pipe.rpush(reply, "espresso")
        pipe.expire(reply, REPLY_TTL_S)
        pipe.execute()


def get_result() -> None:
    with_result.delay().get(timeout=TIMEOUT_S)


def wait_for_reply() -> None:
    reply = f"reply:{uuid4()}"
    with_reply.delay(reply)
    assert connection().blpop([reply], timeout=TIMEOUT_S), "no reply"


@dataclass
class Figures:
    """What came of asking one way."""

    times: list[float] = field(default_factory=list)
    took_s: float = 0.0
    commands: int = 0
    answers_left: int = 0
    left_for_s: int = 0

    def add(self, store: Redis, threads: ThreadPoolExecutor, way: Callable[[], None]) -> None:
        """Ask a round of requests."""
        list(threads.map(lambda _: way(), range(THREADS)))  # connections are made
        store.flushdb()
        before, started = store.info("stats")["total_commands_processed"], perf_counter()
        self.times += threads.map(lambda _: seconds(way), range(REQUESTS))
        self.took_s += perf_counter() - started
        self.commands += store.info("stats")["total_commands_processed"] - before
        left = [key for key in store.scan_iter() if key.startswith((b"celery-task-meta-", b"reply:"))]
        self.answers_left += len(left)
        self.left_for_s = max([self.left_for_s, *map(store.ttl, left)])

    def __str__(self) -> str:
        asked = len(self.times)
        kept = f" for {self.left_for_s / 3600:.0f} h" if self.answers_left else ""
        return (
            f"{self.answers_left} answers left in Redis{kept} ({self.commands / asked:.0f} commands a request, "
            f"median {median(self.times) * 1e3:.1f} ms, p99 {p99(self.times) * 1e3:.1f} ms, "
            f"{asked / self.took_s:.0f} requests/s)"
        )


def main() -> None:
    ways = {get_result: Figures(), wait_for_reply: Figures()}
    with redis() as store, worker(app), ThreadPoolExecutor(THREADS) as threads:
        for _ in range(ROUNDS):
            for way, figures in ways.items():
                figures.add(store, threads, way)
    print(f"{ROUNDS * REQUESTS} tasks that do nothing, asked for by {THREADS} threads:")
    print(f"AsyncResult.get: {ways[get_result]}")
    print(f"a reply list: {ways[wait_for_reply]}")


if __name__ == "__main__":
    main()
