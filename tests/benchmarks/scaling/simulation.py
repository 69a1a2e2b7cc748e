"""A fleet of workers behind one queue, in steps of time: who is served, who waits and how long, who is refused."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from step3_microservices.gateway.config import Config
from tests.benchmarks.scaling.arrivals import Counts
from tests.benchmarks.scaling.autoscaler import SYNC_S, Autoscaler, Sample
from tests.benchmarks.scaling.calls import seen_of_each
from tests.benchmarks.scaling.worker import BUSY_PER_S, START_TO_READY_S

Series = NDArray[np.float64]

MAX_QUEUED = int(Config.max_queued)

# Assumed, not measured: what a cloud takes to find a place for a Pod and to fetch its container image, and how old a
# figure is that went through a scrape of 15 s and a store. Rates are over the last minute, as in the manifest's query.
PLACE_S, FIGURES_ARE_OLD_S, RATE_OVER_S = 45, 15, 60


@dataclass(frozen=True)
class Run:
    """What became of it, step by step."""

    step_s: float
    asked: Counts
    served: Series
    refused: Series
    waiting: Series
    workers: Series
    """All that are paid for, whether they are ready or not."""

    @property
    def age_s(self) -> Series:
        """How long ago the picture that is served at the end of each step was let in: first come, first served."""
        ends = self.step_s * np.arange(1, len(self.served) + 1)
        let_in = np.cumsum(self.asked - self.refused)
        age: Series = np.maximum(ends - np.interp(np.cumsum(self.served), let_in, ends), 0)
        return age

    @property
    def refused_share(self) -> float:
        """The part of all pictures that is refused."""
        return float(self.refused.sum() / self.asked.sum())

    @property
    def changes(self) -> int:
        """How often the number of workers changes."""
        return int(np.count_nonzero(np.diff(self.workers)))

    @property
    def worker_hours(self) -> float:
        """What is paid for."""
        return float(self.workers.sum() * self.step_s / 3600)


@dataclass(frozen=True)
class Fleet:
    """Workers that are ready when it begins, how much each does, and how many pictures may wait for them."""

    workers: int
    per_s: float = BUSY_PER_S
    max_queued: float = MAX_QUEUED
    start_s: float = PLACE_S + START_TO_READY_S

    def serve(self, arrivals: Counts, step_s: float, autoscaler: Autoscaler | None = None) -> Run:
        """Serve what arrives in each step, with as many workers as the autoscaler says."""
        served, refused, waiting, paid = (np.zeros(len(arrivals)) for _ in range(4))
        ready_at, queue, seen = [0.0] * self.workers, 0.0, _Seen(step_s)
        for step, asked in enumerate(arrivals):
            now = step * step_s
            ready = sum(at <= now for at in ready_at)
            offered = queue + asked
            served[step] = min(offered, ready * self.per_s * step_s)
            refused[step] = max(0.0, offered - served[step] - self.max_queued)
            queue = offered - served[step] - refused[step]
            waiting[step], paid[step] = queue, len(ready_at)
            if autoscaler:
                each = seen_of_each(served[step] / step_s / ready)
                seen.add(Sample(max(queue, ready * each.waiting), ready * each.in_work, ready * each.busy))
                if (now + step_s) % SYNC_S < step_s and (sample := seen.lately()):
                    wanted = autoscaler.decide(now, len(ready_at), sample)
                    ready_at = _resized(ready_at, wanted, now + self.start_s)
        return Run(step_s, arrivals, served, refused, waiting, paid)


def _resized(ready_at: Sequence[float], wanted: int, new_at: float) -> list[float]:
    """Return who is there; whoever came last, and may not be ready yet, goes first."""
    return [*ready_at[:wanted], *[new_at] * (wanted - len(ready_at))]


class _Seen:
    """Figures as an autoscaler gets them: late, and rates as the mean of a time."""

    def __init__(self, step_s: float) -> None:
        self._late, self._over = int(FIGURES_ARE_OLD_S / step_s), int(RATE_OVER_S / step_s)
        self._samples: list[Sample] = []

    def add(self, sample: Sample) -> None:
        self._samples = [*self._samples[-self._late - self._over :], sample]

    def lately(self) -> Sample | None:
        known = self._samples[: len(self._samples) - self._late][-self._over :]
        if not known:
            return None
        now = known[-1]
        means = [sum(values) / len(known) for values in zip(*((s.in_work, s.busy) for s in known), strict=True)]
        return Sample(now.waiting, *means)
