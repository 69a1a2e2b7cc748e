"""What every service counts of its requests; with several web processes each figure is the sum over all of them."""

import os
from http import HTTPStatus
from pathlib import Path
from time import perf_counter

from flask import Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from step3_microservices.process_figures import ProcessFigures

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class RequestFigures:
    """The figures of one app. Each gets a registry of its own, so that a test may make several apps."""

    def __init__(self, folder: Path | None, seconds: tuple[float, ...] = SECONDS) -> None:
        """Begin with nothing counted; `folder` is where several web processes keep their figures, if they do.

        `seconds` are the bounds that durations are counted between.
        """
        self._folder = folder
        self.told_once = CollectorRegistry()  # for what is the same in every process
        self.told_once.register(ProcessFigures(os.getppid if folder else os.getpid))  # web processes have a parent
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "http_requests", "Requests answered", ["method", "endpoint", "status"], registry=registry
        )
        self.seconds = Histogram(
            "http_request_duration_seconds",
            "From first to last of a request",
            ["endpoint"],
            buckets=seconds,
            registry=registry,
        )
        self.in_progress = Gauge(
            "http_requests_in_progress", "Requests in work", multiprocess_mode="livesum", registry=registry
        )
        self.problems = Counter("http_problems", "Requests refused, by the problem's code", ["code"], registry=registry)

    def export(self) -> Response:
        """Return all figures in Prometheus's text format."""
        figures = generate_latest(self.of_all_processes()) + generate_latest(self.told_once)
        return Response(figures, content_type=CONTENT_TYPE_LATEST)

    def of_all_processes(self) -> CollectorRegistry:
        """Return what to read the figures from."""
        if not self._folder:
            return self.registry
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
        return registry


def count_requests(app: Flask, figures: RequestFigures) -> None:
    """Count every request of the app, with its duration."""

    @app.before_request
    def begin() -> None:
        g.started = perf_counter()
        figures.in_progress.inc()

    @app.after_request
    def end(response: Response) -> Response:
        endpoint = request.endpoint or "unknown"  # the route's name: addresses would be counted without end
        method = request.method if request.method in _METHODS else "other"  # it is the client's own text
        figures.requests.labels(method, endpoint, response.status_code).inc()
        if response.status_code >= HTTPStatus.BAD_REQUEST and "problem_code" in g:
            figures.problems.labels(g.problem_code).inc()
        figures.seconds.labels(endpoint).observe(perf_counter() - g.started)
        return response

    @app.teardown_request
    def leave(_error: BaseException | None) -> None:
        figures.in_progress.dec()
