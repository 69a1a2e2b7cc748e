"""A session on a Spark cluster, for whatever outgrows one machine; Spark is imported only once it is asked for."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from shared.errors import ExpectedError


class SparkUnavailableError(ExpectedError):
    """Spark is not installed, or does not start."""

    code = "spark_unavailable"


@contextmanager
def spark_session(master: str, name: str, settings: Mapping[str, str]) -> Iterator[Any]:
    """Yield a session at a master, such as spark://host:7077, yarn or local[2], and stop it in the end.

    One that runs already is used, and left running: a job on YARN gets one context, and no second.
    `settings` are Spark's own, with dots in their names. Raises SparkUnavailableError.
    """
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415 - one machine does without
    except ImportError as error:
        raise SparkUnavailableError(
            "pyspark is not installed.", "Install it (make spark), or work on this machine."
        ) from error
    was_there = SparkSession.getActiveSession() is not None
    builder = SparkSession.builder.master(master).appName(name)
    for key, value in settings.items():
        builder = builder.config(key, value)
    try:
        session = builder.getOrCreate()
    except Exception as error:  # Py4J's, PySpark's or the system's: no Java, no such master, ...
        raise SparkUnavailableError(
            f"Spark does not start at {master}: {first_line(error)}", "Spark needs Java 17 and a master that answers."
        ) from error
    try:
        yield session
    finally:
        if not was_there:
            session.stop()


def first_line(error: BaseException) -> str:
    """Return what an error says before its stack trace, without what Py4J puts in front of it."""
    lines = [line for line in str(error).splitlines() if not line.startswith("An error occurred while calling")]
    return next(iter(lines), type(error).__name__).lstrip(": ")
