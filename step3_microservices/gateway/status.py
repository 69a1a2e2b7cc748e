"""What a person who runs this wants to know now: what waits, who works, how fast, and what went wrong.

All of it is read from the figures that Prometheus gets as well; counts are since the web processes began.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from time import time

from prometheus_client import Metric
from redis import Redis
from typing_extensions import TypedDict  # Python 3.11's own cannot be turned into a JSON schema by Pydantic

from step3_microservices.contract import INTERACTIVE, JOBS
from step3_microservices.gateway.metrics import Metrics
from step3_microservices.job_store import ENDED
from step3_microservices.presence import newest_first

_FOR_PICTURES = {"api.classify_uploads", "page.answer"}  # whose clients wait for the answer


class QueueJson(TypedDict):
    """One queue: how many pictures wait in it, and for how many seconds the first of them does."""

    length: int
    oldest_s: float


class WorkerJson(TypedDict):
    """One worker process: its model, since when (Unix time, in seconds), and how fast it was measured to be."""

    name: str
    model_version: str
    serving_since: float
    images_per_s: float


class LatencyJson(TypedDict):
    """How many requests took how long: the longest first bound is the first count's; the last count has no bound."""

    bounds_s: list[float]
    counts: list[int]


class StatusJson(TypedDict):
    """How the service is at one time (Unix, in seconds).

    `answered` counts requests of clients that wait, `jobs` those that do not, by how they ended; `looked_up` pictures,
    of which `recalled` had been answered before; `problems` requests by the problem's code.
    """

    time: float
    model_version: str | None
    queues: dict[str, QueueJson]
    workers: list[WorkerJson]
    answered: int
    latency: LatencyJson
    jobs: dict[str, int]
    looked_up: int
    recalled: int
    problems: dict[str, int]


def gather(redis: Redis, metrics: Metrics) -> StatusJson:
    """Return it from what was counted and what lies in Redis. Raises RedisError."""
    present = newest_first(redis)
    figures = _Figures(metrics.collect())
    lengths = figures.by("queue", "classifier_queue_length")
    ages = figures.by("queue", "classifier_queue_age_seconds")
    recalls = figures.by("found", "classifier_recalls_total")
    ended = figures.by("status", "classifier_jobs_total")
    return {
        "time": time(),
        "model_version": present[0].model_version if present else None,
        "queues": {
            queue: {"length": int(lengths[queue]), "oldest_s": round(ages[queue], 3)} for queue in (INTERACTIVE, JOBS)
        },
        "workers": [
            {
                "name": worker.name,
                "model_version": worker.model_version,
                "serving_since": worker.serving_since,
                "images_per_s": round(worker.images_per_s, 2),
            }
            for worker in present
        ],
        "answered": int(figures.by("status", "http_requests_total", _FOR_PICTURES)["200"]),
        "latency": _latency(figures.by("le", "http_request_duration_seconds_bucket", _FOR_PICTURES)),
        "jobs": {status: int(ended[status]) for status in ENDED},
        "looked_up": int(sum(recalls.values())),
        "recalled": int(recalls["yes"]),
        "problems": {code: int(count) for code, count in figures.by("code", "http_problems_total").items()},
    }


def quantile(latency: LatencyJson, share: float) -> float | None:
    """Return the time, in seconds, within which that share of the requests was done; None where there were none.

    Within the bounds of a count they are taken to lie evenly, as Prometheus has it.
    """
    bounds, counts = [0.0, *latency["bounds_s"]], latency["counts"]
    wanted = share * sum(counts)
    for (low, high), count in zip(pairwise(bounds), counts, strict=False):
        if count and wanted <= count:
            return low + (high - low) * wanted / count
        wanted -= count
    return bounds[-1] if sum(counts) else None


class _Figures:
    """What was counted, as sums over what nobody asks about."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._samples = [sample for metric in metrics for sample in metric.samples]

    def by(self, label: str, name: str, endpoints: Iterable[str] = ()) -> Counter[str]:
        """Return the figure of that name by a label; only those of some endpoints, where they are named."""
        sums: Counter[str] = Counter()
        for sample in self._samples:
            if sample.name == name and (not endpoints or sample.labels["endpoint"] in endpoints):
                sums[sample.labels[label]] += sample.value  # type: ignore[assignment] # a Counter adds floats as well
        return sums


def _latency(by_bound: Counter[str]) -> LatencyJson:
    """Return what Prometheus counts up to each bound as counts between them."""
    up_to = sorted((float(bound), int(count)) for bound, count in by_bound.items())
    totals: Sequence[int] = [0, *(count for _, count in up_to)]
    return {"bounds_s": [bound for bound, _ in up_to[:-1]], "counts": [high - low for low, high in pairwise(totals)]}
