"""The log of every process of this step: JSON lines on stdout."""

from collections.abc import Mapping
from typing import Any


def json_lines(loggers: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `logging.config` is told: all from INFO on, but for `loggers` that have settings of their own."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "shared.logs.JsonFormatter"}},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"}},
        "root": {"level": "INFO", "handlers": ["stdout"]},
        "loggers": dict(loggers),
    }
