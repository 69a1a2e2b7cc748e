"""A picture as an argument of its task, against a claim check: the picture under a key, and its name in the task.

JSON takes no bytes, so the picture becomes text, of which Celery's Redis transport makes longer text; and a worker that
takes it out of the queue writes it back until it is done: `python -m tests.benchmarks.naive.bytes_in_arguments`.
"""

import base64
from collections.abc import Callable
from statistics import median

from celery import Celery
from redis import Redis

from tests.benchmarks.figures import seconds
from tests.benchmarks.naive.workers import connection, redis, worker

PICTURE = bytes(100_000)  # as many as a photograph of 640x480 has; only their number matters
WAITING, ASKED, TTL_S = 200, 200, 60

app = Celery("bytes_in_arguments")


@app.task(name="in_arguments", ignore_result=True)
def in_arguments(picture: str, reply: str) -> None:
    connection().rpush(reply, len(base64.b64decode(picture)))


@app.task(name="claim_check", ignore_result=True)
def claim_check(key: str, reply: str) -> None:
    connection().rpush(reply, len(connection().getdel(key)))


def send_in_arguments(reply: str) -> None:
    in_arguments.delay(base64.b64encode(PICTURE).decode(), reply)


def send_claim_check(reply: str) -> None:
    connection().set(f"input:{reply}", PICTURE, ex=TTL_S)
    claim_check.delay(f"input:{reply}", reply)


WAYS = {"in its task's arguments": send_in_arguments, "under a key that its task names": send_claim_check}


def waiting(store: Redis, send: Callable[[str], None]) -> float:
    """Return the bytes that Redis keeps of each picture while nobody works."""
    store.flushall()
    before = store.info()["used_memory"]
    for number in range(WAITING):
        send(f"reply:{number}")
    return (store.info()["used_memory"] - before) / WAITING


def delivered_again(store: Redis, send: Callable[[str], None]) -> int:
    """Return the bytes that pass through Redis when a task, for want of its worker, goes to another one."""
    store.flushall()
    send("reply")
    with app.connection_for_read() as broker:
        first = broker.default_channel.basic_get("celery")
        before = moved(store)
        first.requeue()
        broker.default_channel.basic_get("celery").ack()
        return moved(store) - before


def asked(store: Redis, send: Callable[[str], None]) -> tuple[float, float]:
    """Return the bytes that pass through Redis, in and out, and the median seconds, of pictures asked one by one."""

    def ask() -> None:
        send("reply")
        assert store.blpop(["reply"], timeout=TTL_S), "no reply"

    ask()
    before = moved(store)
    times = [seconds(ask) for _ in range(ASKED)]
    return (moved(store) - before) / ASKED, median(times)


def moved(store: Redis) -> int:
    return sum(store.info("stats")[f"total_net_{direction}_bytes"] for direction in ("input", "output"))


def main() -> None:
    print(f"A picture of {len(PICTURE) // 1000} KB on its way to a worker:")
    with redis() as store:
        for way, send in WAYS.items():
            kept, again = waiting(store, send), delivered_again(store, send)
            with worker(app):
                passed, median_s = asked(store, send)
            print(
                f"{way}: {passed / len(PICTURE):.0f} times its size goes through Redis ({passed / 1e3:.0f} KB, "
                f"and {again / 1e3:.0f} KB where it is delivered again; {kept / 1e3:.0f} KB of memory while it waits; "
                f"median {median_s * 1e3:.1f} ms)"
            )


if __name__ == "__main__":
    main()
