"""How many pictures may be decoded at once: a large one takes memory, and each takes a core."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from step3_microservices.gateway.problems import DeadlineExceededError


class DecodingPlaces:
    """Few places, which threads take in turn."""

    def __init__(self, count: int, timeout_s: float) -> None:
        """Open so many places; `timeout_s` is how long one may wait for one."""
        self._places = BoundedSemaphore(count)
        self._timeout_s = timeout_s

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place. Raises DeadlineExceededError where none becomes free in time."""
        if not self._places.acquire(timeout=self._timeout_s):
            detail = f"Too many pictures are being decoded; no turn came within {self._timeout_s:g} s."
            raise DeadlineExceededError(detail, "Try again when fewer people ask.")
        try:
            yield
        finally:
            self._places.release()
