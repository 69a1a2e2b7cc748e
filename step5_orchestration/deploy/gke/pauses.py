"""Waiting for what takes seconds or minutes: looking often at first, then less and less."""

from collections.abc import Iterator

from step5_orchestration.deploy.clock import Clock

_FIRST_S, _LONGEST_S = 2.0, 30.0


def pauses(clock: Clock, within_s: float) -> Iterator[float]:
    """Yield how many seconds were waited so far, each time after a longer pause, until it was as long as may be."""
    waited_s, pause_s = 0.0, _FIRST_S
    while waited_s < within_s:
        clock.sleep(pause_s)
        waited_s += pause_s
        pause_s = min(2 * pause_s, _LONGEST_S)
        yield waited_s
