"""Events on their way: a Redis stream between the web processes, which must not wait, and the database, which may.

An event leaves the stream only when it is in the database. Where that takes too long the stream gets full, and new
events are refused: a sender hears of it, while an old event that gave way to a new one would be missed by nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from step3_microservices.gateway.problems import NotReadyError
from step3_microservices.recommender.event_forms import Event

_KEY, _GROUP, _FIELD = "step3:events", "analytics", "event"
_TTL_S = 14 * 24 * 3600  # after the last event came or was taken; by then somebody has seen that nobody takes them
_RETRY_AFTER_S = 30

# Each script is one step that nobody can come between.
_ADD = """
if redis.call('XLEN', KEYS[1]) + #ARGV - 2 > tonumber(ARGV[1]) then return 0 end
for number = 3, #ARGV do redis.call('XADD', KEYS[1], '*', 'event', ARGV[number]) end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""
# What a consumer has taken and not written would be lost with its name, so only one that has nothing is forgotten.
_FORGET = """
for _, pairs in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
    local consumer = {}
    for place = 1, #pairs, 2 do consumer[pairs[place]] = pairs[place + 1] end
    if consumer.pending == 0 and (consumer.name == ARGV[2] or consumer.idle > tonumber(ARGV[3])) then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    end
end
"""


class EventsFullError(NotReadyError):
    """As many events wait for the database as may wait."""

    code = "events_full"


@dataclass(frozen=True)
class Entry:
    """One event as it lies in the stream; the first half of its id is when it came, by the clock of Redis."""

    entry_id: bytes
    json: bytes

    @property
    def received(self) -> datetime:
        """When it came, in UTC."""
        return datetime.fromtimestamp(_came_at(self.entry_id), UTC)


@dataclass(frozen=True)
class Backlog:
    """What is not in the database yet: how many events, and for how long the oldest has waited, in seconds."""

    events: int
    oldest_s: float


class EventStream:
    """The stream, as those who put something in see it."""

    def __init__(self, redis: Redis, *, max_events: int = 200_000) -> None:
        """Use that Redis; `max_events` may wait, and take it some 300 bytes each."""
        self._redis = redis
        self._max_events = max_events
        self._add = redis.register_script(_ADD)

    def add(self, events: Sequence[Event]) -> None:
        """Add all of them in one round trip. Raises EventsFullError, and then has added none, and RedisError."""
        texts = [event.model_dump_json(exclude_none=True) for event in events]
        if not self._add(keys=[_KEY], args=[self._max_events, _TTL_S, *texts]):
            detail = "As many events wait for the database as may wait."
            raise EventsFullError(detail, "Send them again later.", _RETRY_AFTER_S)

    def backlog(self) -> Backlog:
        """Return what waits. Raises RedisError."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.xlen(_KEY)
            pipe.xrange(_KEY, count=1)
            events, oldest = pipe.execute()
        return Backlog(events, max(0.0, time() - _came_at(oldest[0][0])) if oldest else 0.0)


class EventReader:
    """The stream, as one consumer sees it: what it takes is its own until it is done, or has had it for too long."""

    def __init__(self, redis: Redis, consumer: str, *, at_once: int = 500, claim_after_s: float = 10.0) -> None:
        """Take so many entries at once; `claim_after_s` is how long another one may have them before they are ours."""
        self._redis = redis
        self._consumer = consumer
        self._at_once = at_once
        self._claim_after_ms = int(claim_after_s * 1e3)
        self._forget = redis.register_script(_FORGET)

    def join(self) -> None:
        """Make the group where it is missing: at first, and after Redis has lost its memory or the stream its life."""
        try:
            self._redis.xgroup_create(_KEY, _GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        self._redis.expire(_KEY, _TTL_S)

    def take(self, wait_s: float) -> list[Entry]:
        """Return the next entries, or none if none came in that time."""
        answer: Any = self._redis.xreadgroup(
            _GROUP, self._consumer, {_KEY: ">"}, count=self._at_once, block=int(wait_s * 1e3)
        )
        return _entries(answer[0][1]) if answer else []

    def is_full(self, entries: Sequence[Entry]) -> bool:
        """Return whether these are as many as are taken at once."""
        return len(entries) >= self._at_once

    def claim(self) -> list[Entry]:
        """Return entries that somebody took and did not finish, as one that was killed."""
        _, entries, *_ = self._redis.xautoclaim(
            _KEY, _GROUP, self._consumer, min_idle_time=self._claim_after_ms, count=self._at_once
        )
        return _entries(entries)

    def done(self, entries: Sequence[Entry]) -> None:
        """Take what is in the database out of the stream."""
        ids = [entry.entry_id for entry in entries]
        with self._redis.pipeline() as pipe:
            pipe.xack(_KEY, _GROUP, *ids)
            pipe.xdel(_KEY, *ids)
            pipe.expire(_KEY, _TTL_S)
            pipe.execute()

    def leave(self, *, forget_after_s: float = 3600) -> None:
        """Forget this consumer, and those that were not heard of for that long, unless they have something."""
        self._forget(keys=[_KEY], args=[_GROUP, self._consumer, int(forget_after_s * 1e3)])


def _came_at(entry_id: bytes) -> float:
    """Return when an entry came, in Unix time."""
    return int(entry_id.partition(b"-")[0]) / 1e3


def _entries(answer: Sequence[Any]) -> list[Entry]:
    """Return what Redis says in our form; an entry without the field, which is none of ours, gets an empty text."""
    return [Entry(entry_id, fields.get(_FIELD.encode(), b"")) for entry_id, fields in answer]
