"""Serve the app with gunicorn: `python -m step3_microservices.gateway.serve`, with settings as `config.py` has them."""

import sys
from typing import Any

from flask import Flask

from step3_microservices.allocator import set_allocator
from step3_microservices.broker import create_celery
from step3_microservices.contract import INTERACTIVE, JOBS
from step3_microservices.gateway.config import Config, read_config
from step3_microservices.gateway.connections import DeadlineWorker
from step3_microservices.gateway.inference import RemoteModel
from step3_microservices.gateway.web_server import WebServer, serve
from step3_microservices.job_store import JobStore
from step3_microservices.redis_client import connect
from step3_microservices.spans import export_spans
from step3_microservices.store import Store
from step3_microservices.task_messages import TaskMessages


class Server(WebServer):
    """Each web process makes its app, and its connections, after the fork."""

    service: Config

    def own_settings(self) -> dict[str, Any]:
        """Return what is this service's alone, under gunicorn's names."""
        return {"worker_class": DeadlineWorker, "post_worker_init": _introduce}

    def load(self) -> Flask:
        """Return the app; called once in each web process."""
        from step3_microservices.gateway.app import create_app  # noqa: PLC0415 - Prometheus counts per process once it is imported

        set_allocator()
        export_spans("gateway", self.service.otlp_endpoint)
        config = self.service
        redis = connect(config.redis_url, max_connections=2 * config.threads)
        celery = create_celery(config.redis_url, visibility_timeout_s=config.visibility_timeout_s)
        model = RemoteModel(
            TaskMessages(celery, INTERACTIVE),
            Store(redis, answer_ttl_s=config.answer_ttl_s),
            max_queued=config.max_queued,
            timeout_s=config.answer_timeout_s,
        )
        jobs = JobStore(
            redis,
            TaskMessages(celery, JOBS),
            ttl_s=config.job_ttl_s,
            missed_after_s=3 * config.visibility_timeout_s,
        )
        return create_app(config, model, jobs, self.metrics_folder)


def _introduce(worker: DeadlineWorker) -> None:
    """Let streams, which would go on for a minute, know when they are to end."""
    worker.wsgi.config["IS_STOPPING"] = lambda: not worker.alive


def main() -> int:
    """Serve until SIGTERM or Ctrl-C, then finish what is in work; return the exit code."""
    return serve(read_config, Server)


if __name__ == "__main__":
    sys.exit(main())
