"""Raw logs: what a row holds, and how days lie in folders.

::

    logs/day=2026-09-01/part-00000.parquet   one folder for each day, in UTC; as many parts as it takes
    logs/day=2026-09-01/part-00001.parquet   all of one day either .parquet or .jsonl (one JSON object a line)

A part is written under another name first: a folder that holds one such is still being written.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from shared.errors import ExpectedError

Format = Literal["parquet", "jsonl"]

# All of them text, also in Parquet: what a client sent is judged by the cleaning, not by whoever wrote it down.
COLUMNS = ("time", "event_id", "user_id", "country", "event", "item_id", "query")
EVENTS = ("search", "view", "install", "use", "uninstall", "impression", "click", "dismiss")

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

_DAY = re.compile(r"day=(\d{4}-\d{2}-\d{2})")
_PART = re.compile(r"part-[\w.-]*\.(parquet|jsonl)")
_UNFINISHED = re.compile(r".*\.(part|tmp|inprogress|crc)|_temporary.*|\..*")


class LogsError(ExpectedError):
    """There are no logs there, or only half of them."""

    code = "logs_unusable"


@dataclass(frozen=True)
class Day:
    """One day's logs: where they are, and what they are written as."""

    day: date
    folder: str
    format: Format

    @property
    def pattern(self) -> str:
        """The parts, as engines name several files."""
        return f"{self.folder}/part-*.{self.format}"


def day_name(day: date) -> str:
    """Return the name of a day's folder."""
    return f"day={day.isoformat()}"


def find_days(folder: Path) -> list[Day]:
    """Return the days of a folder of logs, in order; raise LogsError where there are none, or a day is unfinished."""
    if not folder.is_dir():
        raise LogsError(f"There is no folder {folder}.", "Check the path.")
    days = [_read_day(path, day) for path, day in day_folders(folder)]
    if not days:
        raise LogsError(f"{folder} holds no logs.", f"Logs lie in folders such as {day_name(date(2026, 9, 1))}.")
    return days


def day_folders(folder: Path) -> Iterator[tuple[Path, date]]:
    """Yield the folders that are named after a day, in order, each with its day; raise LogsError for no such date."""
    for path in sorted(folder.glob("day=*")):
        match = _DAY.fullmatch(path.name)
        try:
            day = date.fromisoformat(match[1]) if match else None
        except ValueError:
            day = None
        if day is None:
            raise LogsError(f"{path} names no day.", f"A day's folder is named like {day_name(date(2026, 9, 1))}.")
        yield path, day


def _read_day(path: Path, day: date) -> Day:
    names = sorted(entry.name for entry in path.iterdir())
    unfinished = [name for name in names if _UNFINISHED.fullmatch(name)]
    if unfinished:
        raise LogsError(f"{path} is still being written: it holds {unfinished[0]}.", "Wait until it is complete.")
    formats = {match[1] for name in names if (match := _PART.fullmatch(name))}
    if not formats:
        raise LogsError(f"{path} holds no part-*.parquet or part-*.jsonl.", "Remove the folder, or write it again.")
    if len(formats) > 1:
        raise LogsError(f"{path} holds both .parquet and .jsonl.", "Keep one: the rows would count twice.")
    empty = [name for name in names if _PART.fullmatch(name) and not (path / name).stat().st_size]
    if empty:
        raise LogsError(f"{path / empty[0]} is empty, as after a broken copy.", "Copy or write it again.")
    return Day(day, str(path), "parquet" if "parquet" in formats else "jsonl")
