"""A stream of events that never takes all threads: a Redis that hangs costs events alone, not recommendations."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import BoundedSemaphore

from redis import Redis

from step3_microservices.gateway.problems import NotReadyError
from step3_microservices.recommender.event_forms import Event
from step3_microservices.recommender.event_stream import Backlog, EventStream

_PATIENCE_S = 0.05  # many times what Redis takes; a Redis that hangs leaves the rest of the threads to others
_RETRY_AFTER_S = 5


class FewAtOnce(EventStream):
    """The stream for so many requests at once; whoever comes then is to come again."""

    def __init__(self, redis: Redis, *, max_events: int, places: int) -> None:
        """Let `places` requests wait for Redis at a time, each for as long as `redis_client.py` has it."""
        super().__init__(redis, max_events=max_events)
        self._places = BoundedSemaphore(places)

    def add(self, events: Sequence[Event]) -> None:
        """Add all of them. Raises NotReadyError where no place gets free, and what the stream raises."""
        with self._place():
            super().add(events)

    def backlog(self) -> Backlog:
        """Return what waits. Raises NotReadyError where no place gets free, and RedisError."""
        with self._place():
            return super().backlog()

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=_PATIENCE_S):
            detail = "As many requests as may be wait for the queue of events."
            raise NotReadyError(detail, "Send them again in some seconds.", _RETRY_AFTER_S)
        try:
            yield
        finally:
            self._places.release()
