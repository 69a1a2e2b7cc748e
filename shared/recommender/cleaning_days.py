"""Clean the days that are not clean yet, and publish each of them whole.

::

    OUTPUT/interactions/day=2026-09-01/pairs.parquet   what models learn from
    OUTPUT/interactions/day=2026-09-01/_report.json    the day's balance; written with it, and renamed with it
    OUTPUT/rejected/day=2026-09-01/rows.parquet        what was dropped, with the reason
    OUTPUT/report.json                                 all days' balances, and their sum

On Spark a name that ends in .parquet is a folder of parts, which PyArrow and Spark read under that name alike.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date

from shared.recommender.cleaning_engines import Engine
from shared.recommender.cleaning_report import DayReport, day_report, report_json
from shared.recommender.cleaning_rules import RULES_VERSION
from shared.recommender.files import Files
from shared.recommender.logs import Day, LogsError, day_name, day_of, find_days

DAY_REPORT = "_report.json"  # of a name that readers of Parquet folders pass over
STAGING = "_staging"


def days_to_clean(
    files: Files, logs: str, output: str, first: date | None = None, last: date | None = None
) -> list[Day]:
    """Return the days from `first` to `last` that are new, or that have changed since; raise LogsError."""
    days = [day for day in find_days(files, logs) if (first or date.min) <= day.day <= (last or date.max)]
    if not days:
        raise LogsError(f"{logs} has no logs of the days asked for.", "Ask for other days.")
    return [day for day in days if not _is_clean(read_report(files, output, day.day), day)]


def clean(engine: Engine, days: Sequence[Day], output: str, progress: Callable[[int], object]) -> list[DayReport]:
    """Clean these days into a folder, tell `progress` of the bytes that are done, and return the days' balances.

    What is published by then stays when it is stopped or fails. Raises LogsError and CleaningError.
    """
    done = []
    staging = f"{output}/{STAGING}"
    try:
        for batch in _batches(days, engine.bytes_at_once):
            engine.files.remove(staging)
            for report in _clean_batch(engine, batch, staging):
                _publish(engine.files, report, staging, output)
                done.append(report)
            progress(sum(day.size for day in batch))
    finally:
        engine.files.remove(staging)
    engine.files.write(f"{output}/report.json", report_json(read_reports(engine.files, output)))
    return done


def read_report(files: Files, output: str, day: date) -> DayReport | None:
    """Return a day's balance, None where the day is not cleaned."""
    return DayReport.from_json(files.read(f"{output}/interactions/{day_name(day)}/{DAY_REPORT}"))


def read_reports(files: Files, output: str) -> list[DayReport]:
    """Return the balances of all cleaned days, in order."""
    days = (day_of(entry.name) for entry in files.entries(f"{output}/interactions") or ())
    reports = (read_report(files, output, day) for day in days if day)
    return [report for report in reports if report]


def _is_clean(report: DayReport | None, day: Day) -> bool:
    return report is not None and (report.log_bytes, report.rules_version) == (day.size, RULES_VERSION)


def _clean_batch(engine: Engine, days: Sequence[Day], staging: str) -> list[DayReport]:
    rows_in = engine.judge(days)
    counts = engine.counts()
    pairs = engine.write(staging, days)
    reports = []
    for day in days:
        name = day.day.isoformat()
        report = day_report(name, rows_in[name], counts, pairs[name], day.size)
        engine.files.write(f"{staging}/interactions/day={name}/{DAY_REPORT}", report.to_json())
        reports.append(report)
    return reports


def _publish(files: Files, report: DayReport, staging: str, output: str) -> None:
    # The interactions go last: a day is clean from then on.
    for part in ("rejected", "interactions"):
        files.move(f"{staging}/{part}/day={report.day}", f"{output}/{part}/day={report.day}")


def _batches(days: Sequence[Day], limit: int) -> Iterator[list[Day]]:
    batch: list[Day] = []
    for day in days:
        if batch and sum(one.size for one in batch) + day.size > limit:
            yield batch
            batch = []
        batch.append(day)
    if batch:
        yield batch
