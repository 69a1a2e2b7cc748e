"""The time, and waiting: handed over, so that a test can let an hour pass in no time."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

_FIRST_S, _LONGEST_S = 2.0, 30.0


class Clock(Protocol):
    """What time it is, and letting some pass."""

    def now(self) -> datetime:
        """Return the time, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""


@dataclass(frozen=True)
class SystemClock:
    """The time of this machine."""

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        time.sleep(seconds)


def pauses(clock: Clock, within_s: float) -> Iterator[float]:
    """Yield how many seconds were waited so far, each time after a longer pause, until it was as long as may be."""
    waited_s, pause_s = 0.0, _FIRST_S
    while waited_s < within_s:
        clock.sleep(pause_s)
        waited_s += pause_s
        pause_s = min(2 * pause_s, _LONGEST_S)
        yield waited_s
