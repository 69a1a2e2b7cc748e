"""What this service counts, for Prometheus; with several web processes each figure is the sum over all of them."""

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from time import perf_counter

from flask import Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from redis import Redis

from shared.classifier.predictions import Answer
from shared.errors import ExpectedError
from step3_microservices.drift import Drift, DriftBuffer
from step3_microservices.findings import Findings
from step3_microservices.gateway.config import Config
from step3_microservices.gateway.redis_figures import RedisFigures

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The figures of one app. Each gets a registry of its own, so that a test may make several apps."""

    def __init__(self, config: Config, redis: Redis, folder: Path | None) -> None:
        """Begin with nothing counted; `folder` is where several web processes keep their figures, if they do."""
        self._folder = folder
        drift = Drift(redis, window_h=config.drift_window_h, min_pictures=config.drift_min_pictures)
        self._of_all = CollectorRegistry()  # what is the same in every process, and told once
        self._of_all.register(RedisFigures(redis, drift))
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "http_requests", "Requests answered", ["method", "endpoint", "status"], registry=registry
        )
        self.seconds = Histogram(
            "http_request_duration_seconds",
            "From first to last of a request",
            ["endpoint"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_progress = Gauge(
            "http_requests_in_progress", "Requests in work", multiprocess_mode="livesum", registry=registry
        )
        self.images = Counter("classifier_images", "Pictures, by what became of them", ["outcome"], registry=registry)
        self.stages = Histogram(
            "classifier_stage_duration_seconds", "Per picture", ["stage"], buckets=_SECONDS, registry=registry
        )
        self.problems = Counter("http_problems", "Requests refused, by the problem's code", ["code"], registry=registry)
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

    def export(self) -> Response:
        """Return all figures in Prometheus's text format."""
        figures = generate_latest(self._of_all_processes()) + generate_latest(self._of_all)
        return Response(figures, content_type=CONTENT_TYPE_LATEST)

    def collect(self) -> Iterator[Metric]:
        """Yield all figures."""
        yield from self._of_all_processes().collect()
        yield from self._of_all.collect()

    def _of_all_processes(self) -> CollectorRegistry:
        if not self._folder:
            return self._registry
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
        return registry


def count_requests(app: Flask, metrics: Metrics) -> None:
    """Count every request of the app, with its duration."""

    @app.before_request
    def begin() -> None:
        g.started = perf_counter()
        metrics.in_progress.inc()

    @app.after_request
    def end(response: Response) -> Response:
        endpoint = request.endpoint or "unknown"  # the route's name: addresses would be counted without end
        method = request.method if request.method in _METHODS else "other"  # it is the client's own text
        metrics.requests.labels(method, endpoint, response.status_code).inc()
        if response.status_code >= HTTPStatus.BAD_REQUEST and "problem_code" in g:
            metrics.problems.labels(g.problem_code).inc()
        metrics.seconds.labels(endpoint).observe(perf_counter() - g.started)
        return response

    @app.teardown_request
    def leave(_error: BaseException | None) -> None:
        metrics.in_progress.dec()
