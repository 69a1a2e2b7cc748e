"""What this service counts, for Prometheus; with several web processes each figure is the sum over all of them."""

from collections.abc import Iterator
from pathlib import Path

from prometheus_client import Counter, Histogram, Metric
from redis import Redis

from shared.classifier.predictions import Answer
from shared.errors import ExpectedError
from step3_microservices.drift import Drift, DriftBuffer
from step3_microservices.findings import Findings
from step3_microservices.gateway.config import Config
from step3_microservices.gateway.redis_figures import RedisFigures
from step3_microservices.gateway.request_figures import SECONDS, RequestFigures


class Metrics(RequestFigures):
    """The figures of one app. Each gets a registry of its own, so that a test may make several apps."""

    def __init__(self, config: Config, redis: Redis, folder: Path | None) -> None:
        """Begin with nothing counted; `folder` is where several web processes keep their figures, if they do."""
        super().__init__(folder)
        registry = self.registry
        drift = Drift(redis, window_h=config.drift_window_h, min_pictures=config.drift_min_pictures)
        self.told_once.register(RedisFigures(redis, drift))
        self.images = Counter("classifier_images", "Pictures, by what became of them", ["outcome"], registry=registry)
        self.stages = Histogram(
            "classifier_stage_duration_seconds", "Per picture", ["stage"], buckets=SECONDS, registry=registry
        )
        self.recalls = Counter(
            "classifier_recalls", "Pictures, by whether an answer was known", ["found"], registry=registry
        )
        self._findings = Findings(registry, DriftBuffer(redis))

    def observe_recall(self, *, found: bool) -> None:
        """Count one look for an answer that was given before."""
        self.recalls.labels("yes" if found else "no").inc()

    def observe(self, result: Answer | ExpectedError) -> None:
        """Count one picture."""
        if isinstance(result, ExpectedError):
            self.images.labels(result.code).inc()
            return
        self.images.labels("answered").inc()
        best = result.predictions[0]
        self._findings.observe(str(result.model_version), best.class_index, best.label, best.probability)
        for stage, duration_ms in result.timings_ms.items():
            self.stages.labels(stage).observe(duration_ms / 1e3)

    def collect(self) -> Iterator[Metric]:
        """Yield all figures."""
        yield from self.of_all_processes().collect()
        yield from self.told_once.collect()
