"""Workers behind one queue, call by call: how many pictures wait and are in work at a given rate.

An autoscaler sees these figures as means over a minute, so that they are reckoned once, here, and not in every second
of a day. The queue is that of step 3: whoever is free takes what waits, up to a whole batch, and waits for nobody.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

import numpy as np

from tests.benchmarks.scaling.worker import BUSY_PER_S, MAX_BATCH_SIZE, call_s

_WORKERS, _PICTURES, _SEED = 8, 15_000, 1
_LOADS = (0.0, 0.2, 0.4, 0.55, 0.7, 0.8, 0.87, 0.92, 0.96, 0.99)


@dataclass(frozen=True)
class Load:
    """Means over time."""

    waiting: float
    in_work: float
    """As the manifest's query has it: workers in a call, times the pictures of a mean call."""
    busy: float
    """Workers in a call."""


def arrivals(per_s: float, count: int, seed: int) -> list[float]:
    """Return the times at which so many pictures arrive, each by itself."""
    gaps = np.random.default_rng(seed).exponential(1 / per_s, count)
    return [float(at) for at in np.cumsum(gaps)]


def load(
    arrive_at: Sequence[float], workers: int, duration_s: Callable[[int], float], max_batch_size: int = MAX_BATCH_SIZE
) -> Load:
    """Let workers serve what arrives; a call of so many pictures takes `duration_s` of them."""
    free_at = [0.0] * workers
    waited = in_calls = 0.0
    first, calls, count = 0, 0, len(arrive_at)
    while first < count:
        start = max(heapq.heappop(free_at), arrive_at[first])
        last = first + 1
        while last < min(first + max_batch_size, count) and arrive_at[last] <= start:
            last += 1
        takes = duration_s(last - first)
        waited += sum(start - at for at in arrive_at[first:last])
        in_calls += takes
        heapq.heappush(free_at, start + takes)
        first, calls = last, calls + 1
    lasted = max(free_at)
    return Load(waited / lasted, in_calls / lasted * count / calls, in_calls / lasted)


def seen_of_each(per_s: float) -> Load:
    """Return what is seen of each worker that does so many pictures a second, in a fleet of some size."""
    rates = [BUSY_PER_S * part for part in _LOADS]
    columns = zip(*((one.waiting, one.in_work, one.busy) for one in _curve()), strict=True)
    return Load(*(float(np.interp(per_s, rates, column)) / _WORKERS for column in columns))


@cache
def _curve() -> tuple[Load, ...]:
    nothing = Load(0, 0, 0)
    full = _WORKERS * BUSY_PER_S
    return tuple(
        load(arrivals(full * part, _PICTURES, _SEED), _WORKERS, call_s) if part else nothing for part in _LOADS
    )


def exponential(mean_s: float, seed: int) -> Callable[[int], float]:
    """Return durations as textbooks like them, for which the answer is known."""
    random = Random(seed)
    return lambda _: random.expovariate(1 / mean_s)
