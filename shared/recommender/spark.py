"""A session on a Spark cluster, for whatever outgrows one machine; Spark is imported only once it is asked for."""

from collections.abc import Mapping
from typing import Any

from shared.errors import ExpectedError


class SparkUnavailableError(ExpectedError):
    """Spark is not installed, or does not start."""

    code = "spark_unavailable"


def start_spark(master: str, name: str, settings: Mapping[str, str]) -> Any:  # noqa: ANN401 - pyspark may not be there
    """Return a session at a master, such as spark://host:7077, yarn or local[2]; whoever starts it stops it.

    `settings` are Spark's own, with dots in their names. Raises SparkUnavailableError.
    """
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415 - one machine does without
    except ImportError as error:
        raise SparkUnavailableError(
            "pyspark is not installed.", "Install it (make spark), or work on this machine."
        ) from error
    builder = SparkSession.builder.master(master).appName(name)
    for key, value in settings.items():
        builder = builder.config(key, value)
    try:
        return builder.getOrCreate()
    except Exception as error:  # Py4J's, PySpark's or the system's: no Java, no such master, ...
        raise SparkUnavailableError(
            f"Spark does not start at {master}: {first_line(error)}", "Spark needs Java 17 and a master that answers."
        ) from error


def first_line(error: BaseException) -> str:
    """Return what an error says before its stack trace, without what Py4J puts in front of it."""
    lines = [line for line in str(error).splitlines() if not line.startswith("An error occurred while calling")]
    return next(iter(lines), type(error).__name__).lstrip(": ")
