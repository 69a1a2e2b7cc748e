"""Events as logs: `python -m step3_microservices.recommender.export_events FOLDER [--until DAY]`.

Each day becomes `day=YYYY-MM-DD/part-responses.jsonl` in the form of the other logs, beside which it may lie: cleaning
and training read it with them, and the loop is closed. A day that is exported again is replaced as a whole.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from shared.errors import ExpectedError
from step3_microservices.recommender.event_store import EventStore, KeptEvent
from step3_microservices.settings import ANALYTICS_DATABASE, DatabaseUrl, read

_FILE = "part-responses.jsonl"


class ExportError(ExpectedError):
    """The folder cannot take the export."""

    code = "export_failed"


@dataclass(frozen=True)
class Config:
    """The only setting."""

    analytics_database: DatabaseUrl = ANALYTICS_DATABASE


@dataclass(frozen=True)
class Exported:
    """How much was written, and how much was not: logs are of users, and a stranger's event has none."""

    days: int = 0
    events: int = 0
    of_strangers: int = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Export all days that are over; return the exit code."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    parser = argparse.ArgumentParser(description="Write the responses to recommendations as logs, a file for each day.")
    parser.add_argument("folder", type=Path, help="where the logs are, or will be")
    parser.add_argument("--since", type=date.fromisoformat, default=date.min, help="the first day, such as 2026-01-31")
    parser.add_argument(
        "--until", type=date.fromisoformat, default=yesterday, help="the last day; yesterday if not given"
    )
    given = parser.parse_args(arguments)
    try:
        store = EventStore(read(Config, os.environ).analytics_database)
        exported = export(store, given.folder, given.since, given.until)
    except ExpectedError as error:
        print(f"{error.detail} {error.remedy}", file=sys.stderr)  # noqa: T201
        return 2
    left_out = f" {exported.of_strangers} of strangers are left out." if exported.of_strangers else ""
    print(f"{exported.events} events of {exported.days} days are in {given.folder}.{left_out}", file=sys.stderr)  # noqa: T201
    return 0


def export(store: EventStore, folder: Path, since: date, until: date) -> Exported:
    """Write the days from `since` to `until`, both included. Raises ExportError and NotReadyError."""
    days = [day for day, _ in store.days() if since <= day <= until]
    sums = Exported()
    try:
        for day in days:
            events, strangers = _write_day(store, day, folder / f"day={day}")
            sums = Exported(sums.days + 1, sums.events + events, sums.of_strangers + strangers)
            _tell(sums.days, len(days))
    except OSError as error:
        detail = f"{folder} cannot be written to ({error.strerror})."
        raise ExportError(detail, "Choose another folder.") from error
    return sums


def _write_day(store: EventStore, day: date, folder: Path) -> tuple[int, int]:
    """Write one day; return how many events were written, and how many were left out."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{_FILE}.unfinished"  # a name that nobody reads logs by
    events = strangers = 0
    with unfinished.open("w", encoding="utf-8") as file:
        for kept in store.of_day(day):
            if kept.event.user_id is None:
                strangers += 1
                continue
            file.write(json.dumps(_line(kept)) + "\n")
            events += 1
    unfinished.replace(folder / _FILE)
    return events, strangers


def _line(kept: KeptEvent) -> dict[str, str | None]:
    event = kept.event
    return {
        "time": kept.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "event_id": event.event_id,
        "user_id": event.user_id,
        "country": event.country,
        "event": event.event,
        "item_id": event.item_id,
        "query": None,
    }


def _tell(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done} of {total} days", end="\n" if done == total else "", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
