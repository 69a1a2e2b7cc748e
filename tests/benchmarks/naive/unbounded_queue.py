"""Three times more tasks than a worker can do: a queue without a bound, against one with a bound and deadlines.

Each task takes 20 ms by construction, and whoever asks is gone after two seconds. Without a bound the wait grows by two
seconds each second, and the worker is busy with answers that nobody reads: `python -m
tests.benchmarks.naive.unbounded_queue`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from time import perf_counter, sleep, time

from celery import Celery
from redis import Redis

from tests.benchmarks.naive.workers import connection, redis, worker

TASK_S, DEADLINE_S = 0.02, 2.0
ARRIVALS_A_SECOND, ARRIVING_S = 3 / TASK_S, 4
MAX_QUEUED = int(DEADLINE_S / TASK_S / 2)  # half a deadline's work, since each task costs a little more than itself
DONE_WITHIN_S = 60

app = Celery("unbounded_queue")


@app.task(name="classify", ignore_result=True)
def classify(arrived: float, deadline: float) -> None:
    if time() < deadline:
        sleep(TASK_S)
    connection().rpush("waits", time() - arrived)


@dataclass(frozen=True)
class Outcome:
    """The seconds until each accepted task was done, in their order, and the seconds that each refusal took."""

    waits: list[float]
    refusals: list[float]

    def __str__(self) -> str:
        in_time = sum(wait <= DEADLINE_S for wait in self.waits) / len(self.waits)
        said = (
            f"most answers come {'in time' if in_time > 0.5 else 'too late'} "
            f"({in_time:.0%} of {len(self.waits)} in time, the last after {self.waits[-1]:.1f} s)"
        )
        if self.refusals:
            said += f", the rest is refused ({len(self.refusals)}, median {median(self.refusals) * 1e3:.1f} ms)"
        return said


def arrivals() -> Iterator[None]:
    begun = time()
    for number in range(int(ARRIVALS_A_SECOND * ARRIVING_S)):
        sleep(max(0.0, begun + number / ARRIVALS_A_SECOND - time()))
        yield


def overload(store: Redis, *, max_queued: float, deadline_s: float) -> Outcome:
    store.flushdb()
    accepted, refusals = 0, []
    for _ in arrivals():
        looked = perf_counter()
        if store.llen(app.conf.task_default_queue) >= max_queued:
            refusals.append(perf_counter() - looked)
        else:
            accepted += 1
            now = time()
            classify.delay(now, now + deadline_s)
    gone_at = time() + DONE_WITHIN_S
    while store.llen("waits") < accepted and time() < gone_at:
        sleep(0.1)
    return Outcome([float(wait) for wait in store.lrange("waits", 0, -1)], refusals)


def main() -> None:
    with redis() as store, worker(app):
        unbounded = overload(store, max_queued=float("inf"), deadline_s=float("inf"))
        bounded = overload(store, max_queued=MAX_QUEUED, deadline_s=DEADLINE_S)
    print(f"Three times a worker's capacity for {ARRIVING_S} s; who asks is gone after {DEADLINE_S:.0f} s:")
    print(f"no bound: {unbounded}")
    print(f"a bound of {MAX_QUEUED} and deadlines: {bounded}")


if __name__ == "__main__":
    main()
