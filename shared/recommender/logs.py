"""Raw logs: what a row holds, and how days lie in folders.

::

    logs/day=2026-09-01/part-00000.parquet   one folder for each day, in UTC; as many parts as it takes
    logs/day=2026-09-01/part-00001.parquet   all of one day either .parquet or .jsonl (one JSON object a line)

A part is written under another name first: a folder that holds one such is still being written.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal

from shared.errors import ExpectedError
from shared.recommender.files import Entry, Files

Format = Literal["parquet", "jsonl"]

# All of them text, also in Parquet: what a client sent is judged by the cleaning, not by whoever wrote it down.
COLUMNS = ("time", "event_id", "user_id", "country", "event", "item_id", "query")
EVENTS = ("search", "view", "install", "use", "uninstall", "impression", "click", "dismiss")

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

_DAY = re.compile(r"day=(\d{4}-\d{2}-\d{2})")
_PART = re.compile(r"part-[\w.-]*\.(parquet|jsonl)")
_UNFINISHED = re.compile(r".*\.(part|tmp|inprogress)|_temporary.*")


class LogsError(ExpectedError):
    """There are no logs there, or only half of them."""

    code = "logs_unusable"


@dataclass(frozen=True)
class Day:
    """One day's logs: where they are, and what they are written as."""

    day: date
    folder: str
    format: Format
    size: int  # of all parts, in bytes

    @property
    def pattern(self) -> str:
        """The parts, as engines name several files."""
        return f"{self.folder}/part-*.{self.format}"


def day_name(day: date) -> str:
    """Return the name of a day's folder."""
    return f"day={day.isoformat()}"


def find_days(files: Files, folder: str) -> list[Day]:
    """Return the days of a folder of logs, in order; raise LogsError where there are none, or a day is unfinished."""
    entries = files.entries(folder)
    if entries is None:
        raise LogsError(f"There is no folder {folder}.", "Check the path.")
    days = [
        _read_day(files, f"{folder}/{entry.name}", entry.name) for entry in entries if entry.name.startswith("day=")
    ]
    if not days:
        raise LogsError(f"{folder} holds no logs.", f"Logs lie in folders such as {day_name(date(2026, 9, 1))}.")
    return days


def day_of(name: str) -> date | None:
    """Return the day that a folder is named after, if it is."""
    match = _DAY.fullmatch(name)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def _read_day(files: Files, folder: str, name: str) -> Day:
    day = day_of(name)
    if day is None:
        raise LogsError(f"{folder} names no day.", f"A day's folder is named like {day_name(date(2026, 9, 1))}.")
    entries = files.entries(folder) or []
    unfinished = [entry.name for entry in entries if _UNFINISHED.fullmatch(entry.name)]
    if unfinished:
        raise LogsError(f"{folder} is still being written: it holds {unfinished[0]}.", "Wait until it is complete.")
    parts = {entry: match[1] for entry in entries if (match := _PART.fullmatch(entry.name))}
    return Day(day, folder, _format_of(folder, parts), sum(part.size for part in parts))


def _format_of(folder: str, parts: dict[Entry, str]) -> Format:
    """Return what all parts of a day are written as; raise LogsError where they cannot be read as one."""
    if not parts:
        raise LogsError(f"{folder} holds no part-*.parquet or part-*.jsonl.", "Remove the folder, or write it again.")
    if len({*parts.values()}) > 1:
        raise LogsError(f"{folder} holds both .parquet and .jsonl.", "Keep one: the rows would count twice.")
    empty = [part.name for part in parts if not part.size]
    if empty:
        raise LogsError(f"{folder}/{empty[0]} is empty, as after a broken copy.", "Copy or write it again.")
    return "parquet" if "parquet" in parts.values() else "jsonl"
