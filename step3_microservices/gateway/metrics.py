"""What this service counts, for Prometheus; with several web processes each figure is the sum over all of them."""

from pathlib import Path
from time import perf_counter

from flask import Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from shared.classifier.predictions import Answer
from shared.errors import ExpectedError

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The figures of one app. Each gets a registry of its own, so that a test may make several apps."""

    def __init__(self, folder: Path | None) -> None:
        """Begin with nothing counted; `folder` is where several web processes keep their figures, if they do."""
        self._folder = folder
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
        self.model = Gauge(
            "classifier_model_info",
            "Which model answers",
            ["model_version"],
            multiprocess_mode="livemax",
            registry=registry,
        )

    def observe(self, result: Answer | ExpectedError) -> None:
        """Count one picture."""
        if isinstance(result, ExpectedError):
            self.images.labels(result.code).inc()
            return
        self.images.labels("answered").inc()
        self.model.labels(str(result.model_version)).set(1)
        for stage, duration_ms in result.timings_ms.items():
            self.stages.labels(stage).observe(duration_ms / 1e3)

    def export(self) -> Response:
        """Return all figures in Prometheus's text format."""
        registry = self._registry
        if self._folder:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


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
        metrics.seconds.labels(endpoint).observe(perf_counter() - g.started)
        return response

    @app.teardown_request
    def leave(_error: BaseException | None) -> None:
        metrics.in_progress.dec()
