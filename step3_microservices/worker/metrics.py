"""What a worker counts, for Prometheus; each process serves its own figures on a port of its own."""

import os
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from redis import Redis

from step3_microservices.drift import DriftBuffer
from step3_microservices.findings import Findings
from step3_microservices.process_figures import ProcessFigures

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32)
_MEMORY = 0.1  # how much of the measured speed the newest batch is


class Metrics:
    """The figures of one process, and its measured speed."""

    def __init__(self, redis: Redis) -> None:
        """Begin with nothing counted; what drift is told from goes to that Redis."""
        registry = self.registry = CollectorRegistry()
        registry.register(ProcessFigures(os.getpid))
        self.batch_sizes = Histogram(
            "worker_batch_size", "Pictures predicted in one call", buckets=_SIZES, registry=registry
        )
        self.predict_seconds = Histogram(
            "worker_predict_duration_seconds", "Of one call", buckets=_SECONDS, registry=registry
        )
        self.queue_seconds = Histogram(
            "worker_queue_duration_seconds", "Waited before", ["queue"], buckets=_SECONDS, registry=registry
        )
        self.expired = Counter("worker_expired", "Pictures dropped, since nobody waited any more", registry=registry)
        self.redelivered = Counter("worker_redelivered", "Tasks that came a second time", registry=registry)
        self.model = Gauge("worker_model_info", "Which model answers", ["model_version"], registry=registry)
        self.findings = Findings(registry, DriftBuffer(redis))
        self._lock = Lock()
        self._images_per_s = 0.0

    @property
    def images_per_s(self) -> float:
        """How many pictures a second this process can predict, from its latest batches; 0 before the first."""
        with self._lock:
            return self._images_per_s

    def observe_batch(self, size: int, seconds: float, model_version: str) -> None:
        """Count one call of the model."""
        self.batch_sizes.observe(size)
        self.predict_seconds.observe(seconds)
        self.model.labels(model_version).set(1)
        with self._lock:
            newest = size / seconds
            self._images_per_s += (newest - self._images_per_s) * (_MEMORY if self._images_per_s else 1)

    def observe_wait(self, seconds: float, *, is_job: bool) -> None:
        """Count how long a picture has waited in its queue."""
        self.queue_seconds.labels("jobs" if is_job else "interactive").observe(seconds)
