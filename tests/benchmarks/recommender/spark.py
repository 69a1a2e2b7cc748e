"""Cleaning on Spark: a cluster of two workers, each with one core and 1 GB, and how its time grows with the rows.

Others may use the same two cores, so the processor's time is told beside the clock's: each size is cleaned twice, and
the run that cost less counts. Every run is a process of its own and starts a cluster of its own, which is in its time.
"""

import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import psutil

from shared.recommender.cleaning_days import clean
from shared.recommender.logs import find_days
from tests.benchmarks.figures import Figure
from tests.benchmarks.recommender import cleaning
from tests.benchmarks.recommender.cleaning import in_a_process_of_its_own, write_logs
from tests.model.recommender_spark import what_spark_lacks

WORKERS, CORES, MEGABYTES = 2, 1, 1024
MASTER = f"local-cluster[{WORKERS},{CORES},{MEGABYTES}]"
MILLIONS = (1, 4, 16)
ROUNDS = 2


def measure() -> Iterator[Figure]:
    """Yield whether the counts are DuckDB's, what each size costs, and the line through them."""
    if lacking := what_spark_lacks():
        print(f"  {lacking}")
        return
    rows, costs = [], []
    with TemporaryDirectory() as folder:
        for size in MILLIONS:
            logs = write_logs(Path(folder, f"{size}m"), size)
            expected = in_a_process_of_its_own(cleaning.__name__, logs, folder)
            found = [in_a_process_of_its_own(__name__, logs, folder) for _ in range(ROUNDS)]
            differing = sum(one["report"] != expected["report"] for one in found)
            details = f"{expected['rows']:,} rows; kept, dropped for each reason, and pairs, day by day"
            yield Figure.at_most(0, f"runs of {size} M rows whose counts are not DuckDB's", differing, details)
            best = min(found, key=lambda one: one["processor"])
            rows.append(expected["rows"])
            costs.append(best["processor"])
            details = f"{best['processor']:.0f} s of processor; by the clock " + ", ".join(
                f"{one['seconds']:.0f}" for one in found
            )
            yield Figure.at_least(None, f"{size} M rows: rows/s per core", rows[-1] / costs[-1], f"{details} s")
    yield from _growth(rows, costs)


def _growth(rows: list[float], costs: list[float]) -> Iterator[Figure]:
    """Yield how the processor's time grows, and the line through it: what a start costs, and what a row."""
    for small, large in pairwise(range(len(rows))):
        before, after = (1e6 * costs[place] / rows[place] for place in (small, large))
        what = f"time per row of {MILLIONS[large]} M rows / of {MILLIONS[small]} M"
        yield Figure.at_most(1.2, what, after / before, f"{after:.2f} us against {before:.2f} us of processor")
    slope, constant = np.polyfit(rows, costs, 1)
    details = f"the line through all sizes: {constant:.0f} s + {1e6 * slope:.2f} us a row, of processor"
    yield Figure.at_most(None, "seconds of processor to start", constant, details)
    yield Figure.at_least(None, "rows/s per core once it runs", 1 / slope, details)


def main() -> None:
    """Be the process that is measured: print its seconds, those of processors, and the balance of rows, as JSON."""
    from shared.recommender.cleaning_spark import spark_engine  # noqa: PLC0415 - not where pyspark is missing

    logs, output = sys.argv[1:]
    started = perf_counter()
    with spark_engine(MASTER, **{"spark.ui.enabled": "false", "spark.executor.memory": f"{MEGABYTES}m"}) as engine:
        clean(engine, find_days(engine.files, logs), output, lambda _: None)
        processor = _processor_seconds()
    seconds, balance = perf_counter() - started, Path(output, "report.json").read_text()
    print(json.dumps({"seconds": seconds, "processor": processor, "report": balance}))


def _processor_seconds() -> float:
    """Return what this process has used by now, with the driver and the workers that it has started."""
    used = [one.cpu_times() for one in (psutil.Process(), *psutil.Process().children(recursive=True))]
    return sum(times.user + times.system for times in used)


if __name__ == "__main__":
    main()
