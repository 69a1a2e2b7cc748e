"""What runs the cleaning program where logs outgrow a machine: Spark, on any cluster and any storage that it knows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ibis
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.storagelevel import StorageLevel

from shared.recommender.cleaning import JUDGED, ROWS, program
from shared.recommender.cleaning_engines import OPTIONAL_COLUMNS, PAIRS, REJECTED, Counts
from shared.recommender.cleaning_report import CleaningError
from shared.recommender.files import Entry, Files
from shared.recommender.logs import COLUMNS, Day, LogsError, day_name

_BROKEN = "broken"
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",  # a day stays text
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.shuffle.partitions": "64",  # what is small is put together again as it runs
    "spark.ui.showConsoleProgress": "false",
}


@contextmanager
def spark_engine(master: str, **settings: str) -> Iterator["SparkEngine"]:
    """Start Spark at a master, such as `local[*]`, and stop it in the end; raise CleaningError where it does not start."""
    builder = SparkSession.builder.appName("clean logs").master(master)
    for name, value in (_SETTINGS | settings).items():
        builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
    except Exception as error:  # noqa: BLE001 - Py4J's, PySpark's and the system's, for lack of Java, of a master, ...
        raise CleaningError(
            f"Spark does not start at {master}: {_first_line(error)}", "Spark needs Java 17 and a master that answers."
        ) from error
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield SparkEngine(session)
    finally:
        session.stop()


class SparkEngine:
    """Cleans on a cluster."""

    bytes_at_once = 64_000_000_000

    def __init__(self, session: SparkSession) -> None:
        self.files: Files = HadoopFiles(session)
        self._session = session
        ibis.pyspark.connect(session)  # Ibis writes Spark's SQL only once it has met a session
        self._program = program("pyspark")
        self._judged: Any = None

    def judge(self, days: Sequence[Day]) -> dict[str, int]:  # noqa: D102 - as in Engine, like the rest
        try:
            rows = self._rows(days[0])
            for day in days[1:]:
                rows = rows.unionByName(self._rows(day))
            rows.createOrReplaceTempView(ROWS)
            if self._judged is not None:
                self._judged.unpersist()
            self._judged = self._session.sql(self._program.judged).persist(StorageLevel.DISK_ONLY)
            self._judged.createOrReplaceTempView(JUDGED)
            return {day.day.isoformat(): self._count(day) for day in days}
        except PySparkException as error:
            raise _unreadable(days, error) from error

    def counts(self) -> Counts:  # noqa: D102
        try:
            rows = self._session.sql(self._program.counts).collect()
        except Exception as error:  # Py4J's own class for what a task meets in a damaged file
            raise _unreadable([], error) from error
        return {(row["day"], row["reason"]): row["rows"] for row in rows}

