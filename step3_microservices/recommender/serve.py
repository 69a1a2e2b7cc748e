"""Serve the app with gunicorn: `python -m step3_microservices.recommender.serve`, settings as `config.py` has them."""

import gc
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger

from shared.errors import ExpectedError
from step3_microservices.allocator import set_allocator
from step3_microservices.recommender.config import Config, read_config
from step3_microservices.recommender.connections import SharingWorker
from step3_microservices.settings import ConfigError
from step3_microservices.spans import export_spans

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "shared.logs.JsonFormatter"}},
    "handlers": {"stdout": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"}},
    "root": {"level": "INFO", "handlers": ["stdout"]},
    "loggers": {"gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True}},
}


class Server(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """gunicorn with our settings. Web processes share the memory of one app; each opens the artifact itself."""

    def __init__(self, config: Config, metrics_folder: Path) -> None:
        """Prepare; `run` starts serving and returns only by ending the process."""
        self.service = config
        self.metrics_folder = metrics_folder
        super().__init__()

    def load_config(self) -> None:
        """Hand our settings to gunicorn, under its names for them."""
        settings = {
            "bind": _address(self.service),
            "forwarded_allow_ips": "",  # proxies are trusted by a setting of ours
            "workers": self.service.web_processes,
            "worker_class": SharingWorker,
            "threads": self.service.threads,
            "graceful_timeout": self.service.shutdown_timeout_s,
            "limit_request_line": 8190,  # bytes; RFC 9110 wants room for addresses of at least 8000
            "keepalive": 75,  # seconds; longer than load balancers keep theirs, so that it is they who close
            "logconfig_dict": LOGGING,
            "logger_class": ServerLogger,
            "worker_tmp_dir": "/dev/shm" if Path("/dev/shm").is_dir() else None,  # noqa: S108 - memory: a slow disk must not look like a hung process
            "control_socket_disable": True,
            "preload_app": not self.service.otlp_endpoint,  # what sends spans has to begin after the fork
            "post_worker_init": _begin,
            "child_exit": _forget_process,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

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


class ServerLogger(Logger):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's log without its lines on requests: the app writes one for each, and knows more of it."""

    def access(self, *_: object) -> None:
        """Leave it to the app."""


def _begin(worker: SharingWorker) -> None:
    from step3_microservices.recommender.app import KEEP_LOOKING  # noqa: PLC0415 - see `load`

    worker.wsgi.extensions[KEEP_LOOKING]()


def _forget_process(_server: object, worker: SharingWorker) -> None:
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - see `load`

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def main() -> int:
    """Serve until SIGTERM or Ctrl-C, then finish what is in work; return the exit code."""
    try:
        config = read_config(os.environ)
        _check_port(config)
    except ExpectedError as error:
        print(f"{error.detail} {error.remedy}", file=sys.stderr)  # noqa: T201
        return 2
    metrics_folder = Path(tempfile.mkdtemp(prefix="metrics-"))
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics_folder)
    print(f"Serving on http://{_address(config)}.", file=sys.stderr)  # noqa: T201
    parent = os.getpid()
    try:
        Server(config, metrics_folder).run()
    except HaltServer as error:  # two processes have failed at the same moment; the reason has been told
        return int(error.exit_status)
    finally:
        if os.getpid() == parent:
            shutil.rmtree(metrics_folder, ignore_errors=True)
    return 0


def _address(config: Config) -> str:
    return f"[{config.host}]:{config.port}" if ":" in config.host else f"{config.host}:{config.port}"


def _check_port(config: Config) -> None:
    """Raise ConfigError where the address is taken; gunicorn would try five times and then show a stack trace."""
    with socket.socket(socket.AF_INET6 if ":" in config.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError as error:
            detail = f"{_address(config)} cannot be served on ({error.strerror})."
            raise ConfigError(detail, "Choose another PORT or HOST.") from error


if __name__ == "__main__":
    sys.exit(main())
