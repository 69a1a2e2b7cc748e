"""Serve the app with gunicorn: `python -m step3_microservices.recommender.serve`, settings as `config.py` has them."""

import gc
import sys
from typing import Any

from flask import Flask

from step3_microservices.allocator import set_allocator
from step3_microservices.gateway.web_server import WebServer, serve
from step3_microservices.recommender.config import Config, read_config
from step3_microservices.recommender.connections import SharingWorker
from step3_microservices.spans import export_spans


class Server(WebServer):
    """Web processes share the memory of one app; each opens the artifact itself."""

    service: Config

    def own_settings(self) -> dict[str, Any]:
        """Return what is this service's alone, under gunicorn's names."""
        return {
            "worker_class": SharingWorker,
            "preload_app": not self.service.otlp_endpoint,  # what sends spans has to begin after the fork
            "post_worker_init": _begin,
        }

    def load(self) -> Flask:
        """Return the app; called once before there are web processes, or in each of them where spans are exported."""
        from step3_microservices.recommender.app import create_app  # noqa: PLC0415 - Prometheus counts per process once it is imported
        from step3_microservices.recommender.artifact_stores import ArtifactStore  # noqa: PLC0415 - with the rest

        set_allocator()
        export_spans("recommender", self.service.otlp_endpoint)
        app = create_app(self.service, ArtifactStore(self.service.artifacts), self.metrics_folder)
        gc.collect()
        gc.freeze()  # a collection would write into every object, and so make each process a copy of its own
        return app


def _begin(worker: SharingWorker) -> None:
    from step3_microservices.recommender.app import KEEP_LOOKING  # noqa: PLC0415 - see `load`

    worker.wsgi.extensions[KEEP_LOOKING]()


def main() -> int:
    """Serve until SIGTERM or Ctrl-C, then finish what is in work; return the exit code."""
    return serve(read_config, Server)


if __name__ == "__main__":
    sys.exit(main())
