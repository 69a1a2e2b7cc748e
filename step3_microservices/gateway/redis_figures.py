"""Figures that lie in Redis and not in a process: queues, jobs, workers, drift and its own, read when Prometheus asks.

Every gateway on the same Redis tells the same: take the maximum over gateways, not the sum.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from threading import Lock
from time import monotonic, time
from typing import Any, cast

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis import Redis, RedisError

from step3_microservices.contract import INTERACTIVE, JOBS, Work
from step3_microservices.drift import Drift, DriftFigures
from step3_microservices.job_store import ENDED, ENDED_KEY
from step3_microservices.presence import Worker, newest_first

_QUEUES = (INTERACTIVE, JOBS)
_DRIFT_KEPT_S = 15.0


class RedisFigures(Collector):
    """Reads them anew for each scrape, drift every 15 s; without Redis it tells only that."""

    def __init__(self, redis: Redis, drift: Drift) -> None:
        """Read from that Redis."""
        self._redis = redis
        self._drift = drift
        self._lock = Lock()
        self._figures: dict[str, tuple[float, DriftFigures]] = {}

    def describe(self) -> Iterable[Metric]:
        """Describe nothing beforehand: registering must not need Redis."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield all figures."""
        try:
            figures = list(self._read())
        except RedisError:
            figures = []
        yield GaugeMetricFamily("redis_up", "Whether Redis answers", value=bool(figures))
        yield from figures

    def _read(self) -> Iterator[Metric]:
        with self._redis.pipeline(transaction=False) as pipe:
            for queue in _QUEUES:
                pipe.llen(queue)
                pipe.lindex(queue, -1)
            pipe.hgetall(ENDED_KEY)
            pipe.info("memory")
            pipe.info("persistence")
            *queues, ended, memory, disk = pipe.execute()
        yield from _of_redis(memory, disk)
        yield from _queues(queues)
        jobs = CounterMetricFamily("classifier_jobs", "Jobs that have ended, by how", labels=["status"])
        for status in ENDED:
            jobs.add_metric([status], int(ended.get(status.encode(), 0)))
        yield jobs
        present = newest_first(self._redis)
        yield from _workers(present)
        if present:
            yield from self._drifted(present[0].model_version)

    def _drifted(self, model_version: str) -> Iterator[Metric]:
        figures = self._drift_of(model_version)
        index = GaugeMetricFamily("classifier_drift_psi", "Population stability index", labels=["of"])
        for of, value in (("labels", figures.labels), ("confidence", figures.confidence)):
            if value is not None:
                index.add_metric([of], value)
        yield index
        pictures = GaugeMetricFamily("classifier_drift_pictures", "That drift is told from", labels=["of"])
        pictures.add_metric(["window"], figures.window_pictures)
        pictures.add_metric(["reference"], figures.reference_pictures)
        yield pictures

    def _drift_of(self, model_version: str) -> DriftFigures:
        with self._lock:
            until, figures = self._figures.get(model_version, (0.0, None))
            if figures is None or monotonic() >= until:
                figures = self._drift.figures(model_version)
                self._figures = {model_version: (monotonic() + _DRIFT_KEPT_S, figures)}
            return figures


def _of_redis(memory: dict[str, Any], disk: dict[str, Any]) -> Iterator[Metric]:
    """Yield what Redis says of itself: with its memory or its disk full, it refuses whatever is to be written."""
    yield GaugeMetricFamily("redis_memory_used_bytes", "Of Redis", value=memory["used_memory"])
    if memory["maxmemory"]:
        yield GaugeMetricFamily("redis_memory_max_bytes", "That Redis may use", value=memory["maxmemory"])
    was_written = {disk[name] for name in ("rdb_last_bgsave_status", "aof_last_write_status")} == {"ok"}
    yield GaugeMetricFamily("redis_disk_ok", "Whether it could write its files when it last tried", value=was_written)


def _queues(found: list[Any]) -> Iterator[Metric]:
    """Yield the figures of the queues, from the length and the oldest message of each."""
    lengths = GaugeMetricFamily("classifier_queue_length", "Pictures that wait", labels=["queue"])
    ages = GaugeMetricFamily("classifier_queue_age_seconds", "Of the picture that waits longest", labels=["queue"])
    for queue, length, oldest in zip(_QUEUES, found[::2], found[1::2], strict=True):
        lengths.add_metric([queue], length)
        ages.add_metric([queue], max(0.0, time() - _queued_at(oldest)) if oldest else 0.0)
    yield lengths
    yield ages


def _workers(present: list[Worker]) -> Iterator[Metric]:
    yield GaugeMetricFamily("classifier_workers", "Worker processes that are there", value=len(present))
    speed = GaugeMetricFamily("classifier_workers_images_per_second", "That all workers together can predict")
    speed.add_metric([], sum(worker.images_per_s for worker in present))
    yield speed
    models = GaugeMetricFamily("classifier_model_info", "Which models answer", labels=["model_version"])
    for version in {worker.model_version for worker in present}:
        models.add_metric([version], 1)
    yield models


def _queued_at(message: bytes) -> float:
    """Return since when a task waits, in Unix time, from Celery's message as it lies in the queue."""
    body = cast("str", json.loads(message)["body"])
    args, *_ = json.loads(base64.b64decode(body))
    return Work(*args).queued_at
