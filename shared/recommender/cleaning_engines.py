"""What runs the cleaning program on one machine: DuckDB, which goes to disk for what does not fit into memory."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self

import duckdb

from shared.recommender.cleaning import JUDGED, ROWS, program
from shared.recommender.cleaning_report import CleaningError
from shared.recommender.files import Files, LocalFiles
from shared.recommender.logs import COLUMNS, Day, LogsError, day_name

PAIRS = "pairs.parquet"
REJECTED = "rows.parquet"
OPTIONAL_COLUMNS = {"event_id", "query", "country"}  # logs of old may lack these

Counts = dict[tuple[str, str | None], int]  # rows by day and reason


class Engine(Protocol):
    """Runs the program on some days at a time."""

    files: Files
    bytes_at_once: int  # of logs; a day that is larger is taken alone

    def judge(self, days: Sequence[Day]) -> dict[str, int]:
        """Read and judge the rows of these days, and return how many there are in each, counted apart from that."""

    def counts(self) -> Counts:
        """Return how many of the judged rows each day has for each reason, None for those kept."""

    def write(self, folder: str, days: Sequence[Day]) -> dict[str, int]:
        """Write `interactions/day=.../pairs.parquet` and `rejected/day=.../rows.parquet`; return each day's pairs."""


class DuckDbEngine:
    """Cleans on this machine, in bounded memory."""

    bytes_at_once = 32_000_000

    def __init__(self, memory_limit: str, scratch: str, threads: int | None = None) -> None:
        """Start DuckDB with so much memory, such as `2GB`, and a folder for what does not fit into it."""
        self.files: Files = LocalFiles()
        self._scratch = scratch
        self._program = program("duckdb")
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "temp_directory": scratch,
            "threads": threads or os.cpu_count() or 1,
            "preserve_insertion_order": False,
        }
        try:
            self._database = duckdb.connect(config=settings)
        except duckdb.Error as error:
            raise CleaningError(
                f"DuckDB does not start: {_first_line(error)}.", "Write a memory limit such as 2GB."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        self.files.remove(self._scratch)

    def judge(self, days: Sequence[Day]) -> dict[str, int]:  # noqa: D102 - as in Engine, like the rest
        Path(self._scratch).mkdir(parents=True, exist_ok=True)  # DuckDB makes the last folder alone
        try:
            sources = " UNION ALL ".join(map(self._source, days))
            self._database.execute(f"CREATE OR REPLACE TEMP VIEW {ROWS} AS {sources}")
            self._database.execute(f"CREATE OR REPLACE TEMP TABLE {JUDGED} AS {self._program.judged}")
            return {day.day.isoformat(): self._count(day) for day in days}
        except duckdb.OutOfMemoryException as error:
            raise LogsError(
                f"The logs do not fit: {_first_line(error)}.", "Allow more memory or disk, or clean on Spark."
            ) from error
        except duckdb.Error as error:
            folders = days[0].folder if len(days) == 1 else f"{days[0].folder} to {days[-1].folder}"
            raise LogsError(f"{folders} cannot be read: {_first_line(error)}.", "Write or copy them again.") from error

    def counts(self) -> Counts:  # noqa: D102
        return {(day, reason): rows for day, reason, rows in self._database.execute(self._program.counts).fetchall()}

    def write(self, folder: str, days: Sequence[Day]) -> dict[str, int]:  # noqa: D102
        self._database.execute(f"CREATE OR REPLACE TEMP TABLE pairs AS {self._program.pairs}")
        self._database.execute(f"CREATE OR REPLACE TEMP VIEW rejected AS {self._program.rejected}")
        for day in days:
            self._write_day(
                "pairs", "user_id, item_id, country", day, f"{folder}/interactions/{day_name(day.day)}/{PAIRS}"
            )
            self._write_day("rejected", "reason, time", day, f"{folder}/rejected/{day_name(day.day)}/{REJECTED}")
        found = self._database.execute("SELECT day, count(*) FROM pairs GROUP BY day").fetchall()
        return dict.fromkeys((day.day.isoformat() for day in days), 0) | dict(found)

    def _write_day(self, table: str, order: str, day: Day, path: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        rows = f"SELECT * EXCLUDE (day) FROM {table} WHERE day = '{day.day}' ORDER BY {order}"  # noqa: S608 - own texts
        self._database.execute(f"COPY ({rows}) TO {_quoted(path)} (FORMAT parquet, COMPRESSION zstd)")

    def _source(self, day: Day) -> str:
        """Return the SQL that reads a day's rows."""
        if day.format == "jsonl":
            columns = ", ".join(f"{name}: 'VARCHAR'" for name in COLUMNS)
            options = f"format = 'newline_delimited', ignore_errors = true, columns = {{{columns}}}"
            return f"SELECT '{day.day}' AS day, * FROM read_json({_quoted(day.pattern)}, {options})"  # noqa: S608
        table = _parquet(day)
        described = self._database.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()  # noqa: S608
        missing = set(COLUMNS) - {column[0] for column in described}
        if missing - OPTIONAL_COLUMNS:
            raise LogsError(f"{day.folder} has no column {min(missing - OPTIONAL_COLUMNS)}.", "Are these logs?")
        texts = (f"CAST({'NULL' if name in missing else name} AS VARCHAR) AS {name}" for name in COLUMNS)
        return f"SELECT '{day.day}' AS day, {', '.join(texts)} FROM {table}"  # noqa: S608

    def _count(self, day: Day) -> int:
        if day.format == "parquet":
            return int(self._database.execute(f"SELECT count(*) FROM {_parquet(day)}").fetchall()[0][0])  # noqa: S608
        parts = (Path(day.folder, e.name) for e in self.files.entries(day.folder) or () if e.name.startswith("part-"))
        return sum(_count_lines(part) for part in parts)


def _parquet(day: Day) -> str:
    return f"read_parquet({_quoted(day.pattern)}, union_by_name = true, hive_partitioning = false)"


def _count_lines(part: Path) -> int:
    with part.open("rb") as lines:
        return sum(not line.isspace() for line in lines)


def _first_line(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0].rstrip(".")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
