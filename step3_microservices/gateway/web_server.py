"""gunicorn as every web service of this step runs it: its settings, its log, and how it starts and ends."""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from gunicorn.app.base import BaseApplication
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from shared.errors import ExpectedError
from step3_microservices.gateway.web_settings import WebSettings
from step3_microservices.log_lines import json_lines
from step3_microservices.settings import ConfigError

_LOGGERS = {"gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True}}

Settings = TypeVar("Settings", bound=WebSettings)


class WebServer(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """gunicorn with our settings; a service adds its own, and `load`, which returns its app."""

    def __init__(self, config: WebSettings, metrics_folder: Path) -> None:
        """Prepare; `run` starts serving and returns only by ending the process."""
        self.service = config
        self.metrics_folder = metrics_folder
        super().__init__()

    def own_settings(self) -> dict[str, Any]:
        """Return what is this service's alone, under gunicorn's names."""
        raise NotImplementedError

    def load_config(self) -> None:
        """Hand all settings to gunicorn, under its names for them."""
        settings = {
            "bind": _address(self.service),
            "forwarded_allow_ips": "",  # proxies are trusted by a setting of ours
            "workers": self.service.web_processes,
            "threads": self.service.threads,
            "graceful_timeout": self.service.shutdown_timeout_s,
            "limit_request_line": 8190,  # bytes; RFC 9110 wants room for addresses of at least 8000
            "keepalive": 75,  # seconds; longer than load balancers keep theirs, so that it is they who close
            "logconfig_dict": json_lines(_LOGGERS),
            "logger_class": ServerLogger,
            "worker_tmp_dir": "/dev/shm" if Path("/dev/shm").is_dir() else None,  # noqa: S108 - memory: a slow disk must not look like a hung process
            "control_socket_disable": True,
            "child_exit": _forget_process,
        }
        for name, value in (settings | self.own_settings()).items():
            self.cfg.set(name, value)


class ServerLogger(Logger):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's log without its lines on requests: the app writes one for each, and knows more of it."""

    def access(self, *_: object) -> None:
        """Leave it to the app."""


def serve(
    read_config: Callable[[Mapping[str, str]], Settings], server: Callable[[Settings, Path], BaseApplication]
) -> int:
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
        server(config, metrics_folder).run()
    except HaltServer as error:  # two processes have failed at the same moment; the reason has been told
        return int(error.exit_status)
    finally:
        if os.getpid() == parent:
            shutil.rmtree(metrics_folder, ignore_errors=True)
    return 0


def _forget_process(_server: object, worker: Worker) -> None:
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - Prometheus counts per process once it is imported

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def _address(config: WebSettings) -> str:
    return f"[{config.host}]:{config.port}" if ":" in config.host else f"{config.host}:{config.port}"


def _check_port(config: WebSettings) -> None:
    """Raise ConfigError where the address is taken; gunicorn would try five times and then show a stack trace."""
    with socket.socket(socket.AF_INET6 if ":" in config.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError as error:
            detail = f"{_address(config)} cannot be served on ({error.strerror})."
            raise ConfigError(detail, "Choose another PORT or HOST.") from error
