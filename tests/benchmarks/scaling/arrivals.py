"""Pictures that arrive, second by second: steadily, in a daily wave, and in a burst."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import cos, pi

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

MINUTE, HOUR = 60, 3600


@dataclass(frozen=True)
class Trace:
    """How long it lasts, and how many pictures a second are asked for at a time, on average."""

    what: str
    lasts_s: int
    rate: Callable[[float], float]

    def arrivals(self, step_s: float, seed: int) -> Counts:
        """Return how many arrive in each step: each by itself, so that they are Poisson's."""
        starts = np.arange(0, self.lasts_s, step_s)
        means = np.array([self.rate(start) for start in starts]) * step_s
        return np.random.default_rng(seed).poisson(means)


TRACES: Mapping[str, Trace] = {
    "steady": Trace("200 images/s", 30 * MINUTE, lambda _: 200),
    "burst": Trace(
        "60 images/s, and six times that for ten minutes",
        30 * MINUTE,
        lambda at: 360 if 5 * MINUTE <= at < 15 * MINUTE else 60,
    ),
    "wave": Trace("20 to 280 images/s in a day", 24 * HOUR, lambda at: 150 - 130 * cos(2 * pi * at / (24 * HOUR))),
}
