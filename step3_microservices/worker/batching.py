"""Which pictures go into a model's next call: those that wait at once, interactive ones first, jobs by their share.

A worker is given one task by Celery. Whatever else waits at that moment it takes from the queues itself: nobody waits
for a batch to fill while the model is idle, and nothing is taken that would then wait in a process.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from time import monotonic, sleep
from typing import Any, Protocol

from step3_microservices.contract import INTERACTIVE, JOBS, Work

_POLL_S = 0.001


class Message(Protocol):
    """A message of Celery's that was taken from its queue and is not acknowledged yet."""

    delivery_tag: str
    payload: Any  # its arguments come first
    headers: dict[str, Any]

    def reject(self, *, requeue: bool = False) -> None:
        """Say that it is not done."""


@dataclass(frozen=True)
class Limits:
    """How large a batch may be, how long one that has begun to fill may wait, and what part of it is left to jobs."""

    max_batch_size: int
    max_wait_ms: float
    job_share: float


class Batcher:
    """Fills batches. `get` takes up to so many messages from the queue of that name, in one round trip."""

    def __init__(self, get: Callable[[str, int], Sequence[Message]], limits: Limits) -> None:
        """Begin with nothing owed to jobs."""
        self._get = get
        self._limits = limits
        self._owed = 0.0  # pictures of jobs that may go before an interactive one
        self._owed_for_each = limits.job_share / (1 - limits.job_share)  # interactive picture

    def fill(self, first: Work, *, is_alone: bool) -> list[Message]:
        """Return what goes together with the first one, at most one less than the largest batch.

        `is_alone` says that the queues were empty a moment ago. Where a second one waits, the worker is not idle, and
        so there may be a short wait for more.
        """
        self._count(1, is_job=bool(first.job_id))
        taken: list[Message] = []
        if is_alone:
            return taken
        deadline: float | None = None
        while (room := self._room() - len(taken)) > 0:
            messages = self._next(room)
            if messages:
                taken.extend(messages)
            elif not taken or not self._limits.max_wait_ms:
                break
            else:
                deadline = deadline or monotonic() + self._limits.max_wait_ms / 1e3
                if monotonic() >= deadline:
                    break
                sleep(_POLL_S)
        return taken

    def _room(self) -> int:
        """Return how many may join the first one: one at least where a job is owed its turn."""
        return max(self._limits.max_batch_size - 1, int(self._owed))

    def _next(self, count: int) -> Sequence[Message]:
        """Take what may go next, at most so many: of interactive ones no more than until a job is owed its turn."""
        order = ((INTERACTIVE, min(count, self._until_owed())), (JOBS, count))
        if self._owed >= 1:
            order = ((JOBS, 1), (INTERACTIVE, count))
        for queue, most in order:
            messages = self._get(queue, most)
            if messages:
                self._count(len(messages), is_job=queue == JOBS)
                return messages
        return ()

    def _until_owed(self) -> int:
        """Return how many interactive pictures it takes until a job is owed its turn."""
        if not self._owed_for_each:
            return self._limits.max_batch_size
        return ceil((1 - self._owed) / self._owed_for_each - 1e-9)  # sums of floats are not exact

    def _count(self, pictures: int, *, is_job: bool) -> None:
        if is_job:
            self._owed = max(0.0, self._owed - pictures)
        else:
            self._owed = min(1.0, self._owed + pictures * self._owed_for_each)
