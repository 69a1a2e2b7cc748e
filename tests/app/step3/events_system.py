"""Events, and the consumer that writes them, for tests: as its users run it, in a process of its own."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from redis import Redis

from step3_microservices.recommender.event_forms import Event
from step3_microservices.recommender.event_store import EventStore, KeptEvent
from tests.app.serving import ended, free_port, started

CONSUMER = "step3_microservices.recommender.events_consumer"
KEY = "step3:events"


@dataclass
class RunningConsumer:
    """A consumer and what it has logged."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def log(self) -> str:
        return self.output.read_text() + self.output.with_suffix(".err").read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def start_consumer(folder: Path, redis_url: str, database: str, **settings: str) -> RunningConsumer:
    output = folder / f"consumer-{free_port()}.out"
    process = started(CONSUMER, output, **{"REDIS_URL": redis_url, "ANALYTICS_DATABASE": database} | settings)
    return RunningConsumer(process, output)


@contextmanager
def consuming(folder: Path, redis_url: str, database: str, **settings: str) -> Iterator[RunningConsumer]:
    consumer = start_consumer(folder, redis_url, database, **settings)
    try:
        yield consumer
    finally:
        consumer.process.terminate()
        ended(consumer.process, consumer.output)


def event_json(number: int, event: str = "impression", **fields: object) -> dict[str, object]:
    """Return the number's event as a slot would send it now."""
    return {
        "event_id": f"{event}-{number}",
        "event": event,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "user_id": f"user-{number % 50}",
        "country": "DE",
        "item_id": f"item-{number % 7}",
        "slot": "300x250",
        "position": 1 + number % 6,
        "arm": "control",
        "experiment": "collaborative-lists",
        "control_share": 0.5,
        "model_version": "2026-11-27-0a1b2c3d",
        "list_id": f"list-{number // 6}",
    } | fields


def an_event(number: int, event: str = "impression", **fields: object) -> Event:
    return Event.model_validate(event_json(number, event, **fields))


def kept(number: int, event: str = "impression", at: datetime | None = None, **fields: object) -> KeptEvent:
    """Return an event as it would be kept, had it happened and come at that time."""
    at = at or datetime.now(UTC)
    return KeptEvent.from_form(an_event(number, event, time=at.isoformat(), **fields), at)


def all_written(redis: Redis, store: EventStore, count: int) -> bool:
    return store.count() == count and redis.xlen(KEY) == 0
