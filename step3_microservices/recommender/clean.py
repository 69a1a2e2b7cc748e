"""Clean logs into interactions: `python -m step3_microservices.recommender.clean LOGS OUTPUT`.

Days that are clean already are left alone, so a new day costs what that day costs. On Spark, LOGS and OUTPUT may be
whatever Spark reads: a folder that all machines see, hdfs://, or, with the jars for it, s3a:// and gs://.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from tqdm import tqdm

from shared.errors import ExpectedError
from shared.recommender.cleaning_days import clean, days_to_clean
from shared.recommender.cleaning_engines import DuckDbEngine, Engine
from shared.recommender.cleaning_report import CleaningError, table_lines

SPARK = "step3_microservices/recommender/requirements-spark.txt"
INTERRUPTED = 130  # what shells report for a program that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Clean, and say what became of the rows; return the exit code."""
    options = _parser().parse_args(arguments)
    logs, output = options.logs.rstrip("/"), options.output.rstrip("/")
    try:
        with _engine(options) as engine:
            days = days_to_clean(engine.files, logs, output, *options.days)
            total = sum(day.size for day in days)
            with tqdm(total=total, unit="B", unit_scale=True, desc="cleaning", disable=None) as bar:
                reports = clean(engine, days, output, bar.update)
    except ExpectedError as error:
        print(f"{error.detail} {error.remedy}", file=sys.stderr)  # noqa: T201
        return 2
    except OSError as error:
        print(f"{output} cannot be written to ({error.strerror}).", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print("Stopped. The days that were done by then are published.", file=sys.stderr)  # noqa: T201
        return INTERRUPTED
    lines = table_lines(reports) if reports else []
    print("\n".join([*lines, f"{len(reports)} days cleaned into {output}."]))  # noqa: T201
    return 0


@contextmanager
def _engine(options: argparse.Namespace) -> Iterator[Engine]:
    if options.engine == "spark":
        try:
            from shared.recommender.cleaning_spark import spark_engine  # noqa: PLC0415 - for whom asks for it alone
        except ImportError as error:
            raise CleaningError(
                f"Spark is not installed ({error}).", f"Install what {SPARK} names: make spark."
            ) from error
        with spark_engine(options.master, **dict(options.set)) as spark:
            yield spark
    else:
        with DuckDbEngine(options.memory_limit, f"{options.output.rstrip('/')}/_scratch") as duckdb:
            yield duckdb


def _days(text: str) -> tuple[date | None, date | None]:
    """Read `FIRST:LAST`, either of which may be missing, or one day."""
    first, colon, last = text.partition(":")
    days = [date.fromisoformat(one) if one else None for one in (first, last if colon else first)]
    return days[0], days[1]


def _setting(text: str) -> tuple[str, str]:
    """Read `spark.jars.packages=org.apache.hadoop:hadoop-aws:3.5.0`, or any other setting of Spark."""
    name, equals, value = text.partition("=")
    if not (name.startswith("spark.") and equals):
        raise ValueError
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m step3_microservices.recommender.clean",
        description="Clean logs into interactions, day by day; what was cleaned before is left alone.",
    )
    parser.add_argument("logs", help="a folder of day=YYYY-MM-DD folders")
    parser.add_argument("output", help="where interactions, rejected rows and the report go")
    parser.add_argument("--days", type=_days, default=(None, None), metavar="FIRST:LAST", help="or one day")
    parser.add_argument("--engine", choices=("duckdb", "spark"), default="duckdb", help="(default: %(default)s)")
    parser.add_argument("--master", default="local[*]", help="for Spark: local[*], spark://..., yarn, k8s://...")
    parser.add_argument(
        "--set", type=_setting, action="append", default=[], metavar="spark.NAME=VALUE", help="for Spark, repeatable"
    )
    parser.add_argument("--memory-limit", default="2GB", help="for DuckDB: more goes to disk (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
