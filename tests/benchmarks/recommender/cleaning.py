"""Cleaning: the Ibis program against SQL by hand on the same engine, and how time and memory grow with the rows.

CLEANING_ROWS=100 goes on to 100 million rows: some minutes, and some GB of disk.
"""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import duckdb

from shared.recommender.cleaning import program
from shared.recommender.cleaning_days import clean
from shared.recommender.cleaning_engines import DuckDbEngine
from shared.recommender.cleaning_rules import COUNTRIES, OTHER_NAMES
from shared.recommender.demo_logs import write_demo_logs
from shared.recommender.demo_truth import DemoSettings, Truth
from shared.recommender.files import LocalFiles
from shared.recommender.logs import Day, find_days
from tests.app.serving import ROOT
from tests.benchmarks.figures import Figure, in_turn

PEOPLE_OF_A_MILLION_ROWS = 11_600
MEMORY_LIMIT = "1GB"
THREADS = 2

# The rules of shared/recommender/cleaning_rules.py, as somebody would write them for DuckDB alone.
BY_HAND = """
CREATE OR REPLACE TEMP TABLE judged AS
WITH shaped AS (
    SELECT *,
        CASE
            WHEN coalesce(time, event_id, user_id, country, event, item_id, query) IS NULL THEN 'broken_line'
            WHEN NOT coalesce(regexp_full_match(time,
                '\\d{4}-\\d\\d-\\d\\dT([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\dZ'), false) THEN 'malformed_time'
            WHEN time[:10] <> day THEN 'other_day'
            WHEN NOT coalesce(regexp_full_match(user_id, '[A-Za-z0-9_.:-]{1,64}'), false) THEN 'malformed_user'
            WHEN event IS NULL OR event NOT IN ('search', 'view', 'install', 'use', 'uninstall', 'impression', 'click',
                'dismiss') THEN 'unknown_event'
            WHEN (event <> 'search' OR coalesce(item_id, '') <> '')
                AND NOT coalesce(regexp_full_match(item_id, '[A-Za-z0-9_.:-]{1,64}'), false) THEN 'malformed_item'
        END AS misshapen,
        CASE WHEN regexp_full_match(country, '[A-Za-z]{2}')
            THEN coalesce(codes.code, 'ZZ') ELSE 'ZZ' END AS home,
        CASE WHEN regexp_full_match(event_id, '[A-Za-z0-9_.:-]{1,64}') THEN event_id
            ELSE concat_ws(chr(31), time, event_id, user_id, country, event, item_id, query) END AS key
    FROM rows LEFT JOIN codes ON codes.written = upper(rows.country)
), counted AS (
    SELECT *, misshapen IS NULL AND row_number() OVER (
        PARTITION BY day, misshapen, key ORDER BY time, user_id, event, item_id, country, query) > 1 AS is_repeated
    FROM shaped
), totals AS (
    SELECT *, count(*) OVER (PARTITION BY day, misshapen, is_repeated, user_id) AS events_of_user FROM counted
)
SELECT day, time, event_id, user_id, country, event, item_id, query, home,
    CASE WHEN misshapen IS NOT NULL THEN misshapen WHEN is_repeated THEN 'duplicate'
        WHEN events_of_user > 1000 THEN 'bot' END AS reason
FROM totals;
CREATE OR REPLACE TEMP TABLE pairs AS
SELECT day, user_id, home AS country, item_id, count(*) AS events,
    sum(CASE event WHEN 'view' THEN 1.0 WHEN 'install' THEN 3.0 WHEN 'use' THEN 1.0 ELSE 0.5 END)::DOUBLE AS weight
FROM judged WHERE reason IS NULL AND event IN ('view', 'install', 'use', 'click') GROUP BY ALL;
CREATE OR REPLACE TEMP TABLE counts AS SELECT day, reason, count(*) AS rows FROM judged GROUP BY ALL;
"""


def measure() -> Iterator[Figure]:
    """Yield the program against SQL by hand, then the growth of its time, and the memory it needs."""
    millions = [1, 10] + ([100] if os.environ.get("CLEANING_ROWS") == "100" else [])
    with TemporaryDirectory() as folder:
        logs = {size: write_logs(Path(folder, f"{size}m"), size) for size in millions}
        yield _against_sql_by_hand(logs[1], folder)
        found = {size: in_a_process_of_its_own(__name__, logs[size], folder) for size in millions}
    for small, large in pairwise(millions):
        before, after = found[small], found[large]
        per_row = [1e6 * one["seconds"] / one["rows"] for one in (before, after)]
        details = f"{per_row[1]:.2f} us against {per_row[0]:.2f} us; {after['rows'] / after['seconds']:,.0f} rows/s"
        yield Figure.at_most(1.2, f"time per row of {large} M rows / of {small} M", per_row[1] / per_row[0], details)
        details = (
            f"{after['resident']:.0f} MB against {before['resident']:.0f} MB, of which DuckDB may take {MEMORY_LIMIT}"
        )
        yield Figure.at_most(
            None, f"peak memory of {large} M rows / of {small} M", after["resident"] / before["resident"], details
        )


def _against_sql_by_hand(logs: Path, folder: str) -> Figure:
    """Time both on the same rows and engine, without reading files or writing them, which both would do alike."""
    ours = program("duckdb")
    days = find_days(LocalFiles(), str(logs))
    with duckdb.connect(config={"threads": THREADS, "temp_directory": folder}) as database:
        _load(database, days)

        def by_ibis() -> None:
            database.execute(f"CREATE OR REPLACE TEMP TABLE judged AS {ours.judged}")
            database.execute(f"CREATE OR REPLACE TEMP TABLE pairs AS {ours.pairs}")
            database.execute(f"CREATE OR REPLACE TEMP TABLE counts AS {ours.counts}")

        def result() -> object:
            pairs = "SELECT count(*), sum(weight), sum(events), sum(hash(day, user_id, country, item_id)) FROM pairs"
            return database.execute(pairs).fetchall(), database.execute("FROM counts ORDER BY ALL").fetchall()

        by_ibis()
        expected = result()
        database.execute(BY_HAND)
        if result() != expected:
            raise AssertionError("the SQL by hand does not do the same")
        hand, ibis, ratio = in_turn(lambda: database.execute(BY_HAND), by_ibis, 5)
    details = f"{ibis:.2f} s against {hand:.2f} s for a million rows in memory"
    return Figure.at_most(1.5, "the Ibis program / SQL by hand", ratio, details)


def _load(database: duckdb.DuckDBPyConnection, days: list[Day]) -> None:
    for number, day in enumerate(days):
        into = "INSERT INTO rows" if number else "CREATE TABLE rows AS"
        select = "SELECT ?::VARCHAR AS day, * FROM read_parquet(?, hive_partitioning = false)"
        database.execute(f"{into} {select}", [day.day.isoformat(), day.pattern])
    codes = {code: code for code in COUNTRIES} | OTHER_NAMES
    database.execute("CREATE TABLE codes (written VARCHAR, code VARCHAR)")
    database.executemany("INSERT INTO codes VALUES (?, ?)", [list(pair) for pair in codes.items()])


def write_logs(folder: Path, millions: int) -> Path:
    """Write so many million rows of demo logs, and return their folder."""
    truth = Truth.from_settings(DemoSettings(users=millions * PEOPLE_OF_A_MILLION_ROWS))
    write_demo_logs(truth, folder, "parquet", THREADS, lambda _: None)
    return folder


def in_a_process_of_its_own(module: str, logs: Path, folder: str) -> dict[str, Any]:
    """Let the main function of a benchmark clean logs into a new folder, and return what it prints."""
    with TemporaryDirectory(dir=folder) as output:
        command = [sys.executable, "-m", module, str(logs), f"{output}/cleaned"]
        child = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT)
    found: dict[str, Any] = json.loads(child.stdout)
    return found


def main() -> None:
    """Be the process that is measured: print rows, their balance, seconds and the peak of resident memory in MB."""
    logs, output = sys.argv[1:]
    days = find_days(LocalFiles(), logs)
    started = perf_counter()
    with DuckDbEngine(MEMORY_LIMIT, f"{output}/scratch", THREADS) as engine:
        reports = clean(engine, days, output, lambda _: None)
    seconds = perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    megabytes = peak / (1e6 if sys.platform == "darwin" else 1e3)
    rows, balance = sum(report.rows_in for report in reports), Path(output, "report.json").read_text()
    print(json.dumps({"rows": rows, "report": balance, "seconds": seconds, "resident": megabytes}))


if __name__ == "__main__":
    main()
