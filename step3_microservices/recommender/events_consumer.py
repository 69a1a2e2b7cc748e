"""Write events from the stream into the database: `python -m step3_microservices.recommender.events_consumer`.

An event is taken out of the stream when it is in the database, and its id is there once: whoever is killed in between
leaves it to be written again, to no effect. Several consumers may run. While Redis or the database is gone it waits.
"""

import logging.config
import os
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Annotated

from prometheus_client import CollectorRegistry
from pydantic import Field, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass
from redis import RedisError
from redis.exceptions import ResponseError

from shared.errors import ExpectedError
from step3_microservices.figures_server import serve_figures
from step3_microservices.gateway.problems import NotReadyError
from step3_microservices.log_lines import json_lines
from step3_microservices.process_figures import ProcessFigures
from step3_microservices.recommender.event_figures import ConsumerFigures
from step3_microservices.recommender.event_forms import Event
from step3_microservices.recommender.event_store import EventStore, KeptEvent
from step3_microservices.recommender.event_stream import Entry, EventReader
from step3_microservices.redis_client import connect
from step3_microservices.settings import ANALYTICS_DATABASE, REDIS, DatabaseUrl, RedisUrl, Seconds, read
from step3_microservices.stop_request import StopRequest

_LOGGERS = {"step3_microservices.analytics_database": {"level": "ERROR"}}  # it would tell of each attempt

_BEHIND = 10  # steps of priority behind those whom somebody waits for
_WAIT_S = 1.0  # for the next event, and so at most until SIGTERM is heard
_GATHER_S = 0.1  # after a batch with room left: what comes meanwhile is one transaction, and not a hundred
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_TOLD_EVERY = 10_000  # events

_log = logging.getLogger(__name__)


@checked_dataclass(frozen=True)
class Config:
    """How the consumer runs; each field is an environment variable of the same name."""

    redis_url: RedisUrl = REDIS
    analytics_database: DatabaseUrl = ANALYTICS_DATABASE
    claim_after_s: Seconds = 10  # how long another consumer may be at an event before it counts as lost
    # Where Prometheus finds its figures; 0: nowhere. A worker beside it has METRICS_PORT for its own.
    events_metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0


@dataclass
class Counts:
    """What one consumer has done."""

    written: int = 0
    known: int = 0  # came again, and were there
    refused: int = 0  # are none of ours


class Consumer:
    """One consumer; `open_store` is asked again after the database was gone."""

    def __init__(self, reader: EventReader, open_store: Callable[[], EventStore], claim_after_s: float) -> None:
        """Take from there, write to there, and look so often for what others have left."""
        self.counts = Counts()
        self._reader = reader
        self._open_store = open_store
        self._store: EventStore | None = None
        self._in_work: list[Entry] = []  # taken, and not known to be written
        self._claim_after_s = claim_after_s
        self._claimed = float("-inf")
        self._told = 0

    def run(self, stopping: StopRequest) -> None:
        """Write until asked to stop; what is in work then is finished, or left to the next consumer."""
        pause_s, gone_since = _FIRST_PAUSE_S, 0.0
        while not stopping.is_set():
            try:
                if not self._turn():
                    stopping.wait(_GATHER_S)
            except (RedisError, NotReadyError) as error:
                if not gone_since:
                    gone_since = monotonic()
                    _log.warning("waiting", extra={"fields": {"reason": _reason(error)}})
                self._give_up_store()
                stopping.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                continue
            if gone_since:
                _log.info("working again", extra={"fields": {"after_s": round(monotonic() - gone_since, 1)}})
            pause_s, gone_since = _FIRST_PAUSE_S, 0.0

    def _turn(self) -> bool:
        """Write one batch; return whether it was a full one, so that there is more to be expected."""
        self._store = self._store or self._open_store()
        if not self._in_work:
            try:
                self._in_work = self._next()
            except ResponseError as error:
                if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
                    raise
                self._reader.join()
        if self._in_work:
            self._write(self._store, self._in_work)
        is_full, self._in_work = self._reader.is_full(self._in_work), []
        return is_full

    def _next(self) -> list[Entry]:
        """Return what was left by others, from time to time; else what is new."""
        if monotonic() - self._claimed >= self._claim_after_s:
            if left := self._reader.claim():
                return left
            self._claimed = monotonic()
        return self._reader.take(_WAIT_S)

    def _write(self, store: EventStore, entries: Sequence[Entry]) -> None:
        events = [event for entry in entries if (event := self._read(entry))]
        written = store.add(events) if events else 0
        self._reader.done(entries)
        self.counts.written += written
        self.counts.known += len(events) - written
        if self.counts.written - self._told >= _TOLD_EVERY:
            self.tell("writing")

    def _read(self, entry: Entry) -> KeptEvent | None:
        try:
            return KeptEvent.from_form(Event.model_validate_json(entry.json), entry.received)
        except ValidationError as error:  # the door lets none in: somebody else has, or another version
            self.counts.refused += 1
            fields = {"entry": entry.entry_id.decode(), "text": entry.json[:1000], "reason": str(error)}
            _log.error("no event", extra={"fields": fields})
            return None

    def _give_up_store(self) -> None:
        """Have the database opened again, and its tables made again should it be another one by then."""
        if self._store:
            self._store.close()
        self._store = None

    def tell(self, message: str) -> None:
        """Log what was done so far."""
        self._told = self.counts.written
        _log.info(message, extra={"fields": vars(self.counts)})


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    return str(getattr(cause, "orig", None) or cause).strip()


def _figures(counts: Counts) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(ProcessFigures(os.getpid))
    registry.register(ConsumerFigures(lambda: vars(counts)))
    return registry


def main() -> int:
    """Run until SIGTERM or Ctrl-C; return the exit code."""
    try:
        config = read(Config, os.environ)
    except ExpectedError as error:
        print(f"{error.detail} {error.remedy}", file=sys.stderr)  # noqa: T201
        return 2
    logging.config.dictConfig(json_lines(_LOGGERS))
    os.nice(_BEHIND)
    stopping = StopRequest.by_signal()
    redis = connect(config.redis_url)
    name = f"{socket.gethostname()}-{os.getpid()}"
    reader = EventReader(redis, name, claim_after_s=config.claim_after_s)
    consumer = Consumer(reader, lambda: EventStore(config.analytics_database), config.claim_after_s)
    if config.events_metrics_port:
        serve_figures(_figures(consumer.counts), config.events_metrics_port)
    _log.info("ready", extra={"fields": {"consumer": name}})
    consumer.run(stopping)
    try:
        reader.leave()
    except RedisError as error:  # its name stays there, and what it has taken is claimed by others
        _log.warning("not forgotten", extra={"fields": {"reason": str(error)}})
    consumer.tell("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
