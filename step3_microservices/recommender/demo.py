"""Realistic logs of any size: `python -m step3_microservices.recommender.demo --output FOLDER`.

The same options give the same bytes. The truth behind the logs can be made again from the folder's truth.json.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from tqdm import tqdm

from shared.errors import ExpectedError
from shared.recommender.demo_logs import write_demo_logs
from shared.recommender.demo_truth import DemoSettings, Truth
from shared.recommender.logs import LogsError

DEMO_LOGS = Path(".data/recommender/logs")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write demo logs; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = _settings(options)
        truth = Truth.from_settings(settings)
        with tqdm(total=settings.users, unit=" people", unit_scale=True, desc="writing logs", disable=None) as bar:
            rows = write_demo_logs(truth, options.output, options.format, options.threads, bar.update)
    except ExpectedError as error:
        print(f"{error.detail} {error.remedy}", file=sys.stderr)  # noqa: T201
        return 2
    print(f"{rows:,} rows are in {options.output}.", file=sys.stderr)  # noqa: T201
    return 0


def _settings(options: argparse.Namespace) -> DemoSettings:
    given = {name: getattr(options, name) for name in ("users", "items", "days", "seed", "first_day")}
    try:
        return TypeAdapter(DemoSettings).validate_python(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = f"--{str(first['loc'][0]).replace('_', '-')}"
        raise LogsError(f"{option} {first['input']} cannot be used: {first['msg']}.", "Correct it.") from error


def _parser() -> argparse.ArgumentParser:
    default = DemoSettings()
    parser = argparse.ArgumentParser(
        prog="python -m step3_microservices.recommender.demo",
        description="Write realistic logs, with known truth and some dirt.",
    )
    parser.add_argument("--users", type=int, default=default.users, help="people (default: %(default)s)")
    parser.add_argument("--items", type=int, default=default.items, help="apps (default: %(default)s)")
    parser.add_argument("--days", type=int, default=default.days, help="days (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=default.seed, help="another seed, another world")
    parser.add_argument("--first-day", default=default.first_day, help="(default: %(default)s)")
    parser.add_argument("--format", choices=("parquet", "jsonl"), default="parquet", help="(default: %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="change nothing but the time it takes")
    parser.add_argument("--output", type=Path, default=DEMO_LOGS, help="a new folder (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
