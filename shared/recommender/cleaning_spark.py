"""What runs the cleaning program where logs outgrow a machine: Spark, on any cluster and any storage that it knows."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

import ibis
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sql
from pyspark.storagelevel import StorageLevel

from shared.recommender.cleaning import JUDGED, ROWS, program
from shared.recommender.cleaning_engines import OPTIONAL_COLUMNS, PAIRS, REJECTED, Counts
from shared.recommender.cleaning_report import CleaningError
from shared.recommender.files import Entry, Files
from shared.recommender.logs import COLUMNS, Day, LogsError
from shared.recommender.spark import first_line, spark_session

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
    """Clean by Spark at a master, such as `local[*]`.

    Raises SparkUnavailableError, and CleaningError for whatever Spark complains about while it is used.
    """
    with spark_session(master, "clean logs", _SETTINGS | settings) as session:
        session.sparkContext.setLogLevel("ERROR")
        try:
            yield SparkEngine(session)
        except (PySparkException, Py4JError) as error:
            raise CleaningError(
                f"Spark cannot go on: {first_line(error)}.",
                "Check the folders, and that Spark has been given the jars of the storage they are in.",
            ) from error


class SparkEngine:
    """Cleans on a cluster."""

    bytes_at_once = 64_000_000_000

    def __init__(self, session: SparkSession) -> None:
        """Use a session of Spark."""
        self.files: Files = HadoopFiles(session)
        self._session = session
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PySpark 4.3 knows pandas 2, of which nothing is used here
            ibis.pyspark.connect(session)  # Ibis writes Spark's SQL only once it has met a session
        self._program = program("pyspark")
        self._judged: Any = None

    def judge(self, days: Sequence[Day]) -> dict[str, int]:  # noqa: D102 - as in Engine, like the rest
        with _told_as_logs_error(days):
            self._rows(days).createOrReplaceTempView(ROWS)
            if self._judged is not None:
                self._judged.unpersist()
            self._judged = self._session.sql(self._program.judged).persist(StorageLevel.DISK_ONLY)
            self._judged.createOrReplaceTempView(JUDGED)
            self._judged.count()
            counted = self._session.sql(f"SELECT day, count(*) AS rows FROM {ROWS} GROUP BY day").collect()  # noqa: S608
        return dict.fromkeys(_names(days), 0) | {row["day"]: row["rows"] for row in counted}

    def counts(self) -> Counts:  # noqa: D102
        rows = self._session.sql(self._program.counts).collect()
        return {(row["day"], row["reason"]): row["rows"] for row in rows}

    def write(self, folder: str, days: Sequence[Day]) -> dict[str, int]:  # noqa: D102
        pairs, rejected = (self._session.sql(text) for text in (self._program.pairs, self._program.rejected))
        self._write(rejected, ("reason", "time"), days, f"{folder}/rejected", REJECTED)
        return self._write(pairs, ("user_id", "item_id", "country"), days, f"{folder}/interactions", PAIRS)

    def _write(
        self, rows: DataFrame, order: Sequence[str], days: Sequence[Day], folder: str, name: str
    ) -> dict[str, int]:
        """Write all days in one go, give each day's folder the name that a file would have, and return its rows."""
        by_day = rows.hint("rebalance", "day").sortWithinPartitions("day", *order)
        by_day.write.partitionBy("day").parquet(f"{folder}/all")
        found = self._session.read.schema(rows.schema).parquet(f"{folder}/all").groupBy("day").count().collect()
        written = dict.fromkeys(_names(days), 0) | {row["day"]: row["count"] for row in found}
        for day, count in written.items():
            if count:
                self.files.move(f"{folder}/all/day={day}", f"{folder}/day={day}/{name}")
            else:
                rows.where("false").drop("day").write.parquet(f"{folder}/day={day}/{name}")
        self.files.remove(f"{folder}/all")
        return written

    def _rows(self, days: Sequence[Day]) -> DataFrame:
        """Return the rows of all days as text, with their day, which Spark takes from the folders' names."""
        texts = ", ".join(f"{name} string" for name in COLUMNS)
        parts = self._session.read.option("basePath", days[0].folder.rpartition("/")[0]).option(
            "pathGlobFilter", "part-*"
        )
        found = []
        if parquet := [day.folder for day in days if day.format == "parquet"]:
            missing = {*COLUMNS} - {*parts.parquet(parquet[-1]).columns} - OPTIONAL_COLUMNS
            if missing:
                raise LogsError(f"{parquet[-1]} has no column {min(missing)}.", "Are these logs?")
            found.append(parts.schema(texts + ", day string").parquet(*parquet))
        if lines := [day.folder for day in days if day.format == "jsonl"]:
            found.append(_parsed(parts.text(lines, lineSep="\n"), texts))
        return reduce(DataFrame.unionByName, found).select("day", *COLUMNS)


class HadoopFiles:
    """Files of whatever Spark reads, by the file systems that come with it.

    HDFS and disks rename a folder in one step. Object stores copy file by file, so there a day is whole only once it
    has its report, which is copied with it.
    """

    def __init__(self, session: SparkSession) -> None:
        """Use a session's file systems."""
        self._java: Any = session._jvm
        self._settings = session._jsc.hadoopConfiguration()

    def entries(self, folder: str) -> list[Entry] | None:  # noqa: D102 - as in Files, like the rest
        system, path = self._at(folder)
        if not system.exists(path):
            return None
        return sorted(Entry(found.getPath().getName(), found.getLen()) for found in system.listStatus(path))

    def read(self, path: str) -> str | None:  # noqa: D102
        system, place = self._at(path)
        if not system.exists(place):
            return None
        stream = system.open(place)
        try:
            return str(self._java.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
        finally:
            stream.close()

    def write(self, path: str, text: str) -> None:  # noqa: D102
        system, unfinished = self._at(f"{path}.part")
        stream = system.create(unfinished, True)
        stream.write(text.encode())
        stream.close()
        self.move(f"{path}.part", path)

    def move(self, source: str, target: str) -> None:  # noqa: D102
        system, new = self._at(target)
        _, old = self._at(f"{target}.old")
        system.mkdirs(new.getParent())
        system.delete(old, True)
        if system.exists(new):
            system.rename(new, old)
        if not system.rename(self._at(source)[1], new):
            raise CleaningError(f"{source} cannot become {target}.", "Check that the folder can be written to.")
        system.delete(old, True)

    def remove(self, folder: str) -> None:  # noqa: D102
        system, path = self._at(folder)
        system.delete(path, True)

    def _at(self, path: str) -> tuple[Any, Any]:
        place = self._java.org.apache.hadoop.fs.Path(path)
        return place.getFileSystem(self._settings), place


def _parsed(lines: DataFrame, texts: str) -> DataFrame:
    """Return what DuckDB makes of the same lines: nothing at all of one that is no object, or not to its end.

    Spark's own reader of JSON lines fills what it has understood of a broken line, and takes a list for several rows.
    """
    options = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": _BROKEN}
    row = sql.from_json("value", f"{texts}, {_BROKEN} string", options)
    is_object = sql.is_valid_utf8("value") & sql.col("value").rlike("^[ \t]*[{].*[}][ \t\r]*$")
    there = lines.where(sql.col("value").rlike("[^ \t\r]")).select(
        "day", is_object.alias("is_object"), row.alias("row")
    )
    is_whole = sql.col("is_object") & sql.col(f"row.{_BROKEN}").isNull()
    return there.select("day", *(sql.when(is_whole, sql.col(f"row.{name}")).alias(name) for name in COLUMNS))


@contextmanager
def _told_as_logs_error(days: Sequence[Day]) -> Iterator[None]:
    try:
        yield
    except (PySparkException, Py4JError) as error:
        folders = days[0].folder if len(days) == 1 else f"{days[0].folder} to {days[-1].folder}"
        raise LogsError(f"{folders} cannot be read: {first_line(error)}", "Write or copy them again.") from error


def _names(days: Sequence[Day]) -> list[str]:
    return [day.day.isoformat() for day in days]
