"""All of the recommender's pipeline at once, small: `python -m step3_microservices.recommender.pipeline`.

Demo logs are written, cleaned and trained on, and the lists published, where nothing is published yet: so there is
something to look at a few seconds after the first start. Each stage is a command of its own; see the README.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from shared.errors import ExpectedError
from step3_microservices.file_stores import alone_in
from step3_microservices.recommender.artifact_stores import ArtifactStore
from step3_microservices.recommender.config import read_config

FOLDER = Path(".data/recommender/demo")

Command = Callable[[Sequence[str]], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing; return the exit code, that of the stage that failed if one did."""
    try:
        options = _parser(read_config(os.environ).artifacts).parse_args(arguments)
        with alone_in(FOLDER):  # what another one of this machine has published need not be made again
            return 0 if not options.again and ArtifactStore(options.artifacts).current() else _run(options)
    except ExpectedError as error:
        _tell(f"{error.detail} {error.remedy}")
        return 2
    except ImportError as error:
        _tell(f"Training needs {error.name}: install step3_microservices/recommender/requirements-train.txt.")
        return 2
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace) -> int:
    from step3_microservices.recommender import clean, demo, train  # noqa: PLC0415 - seconds, where nothing is to do

    logs, cleaned, report = folders = [str(FOLDER / name) for name in ("logs", "cleaned", "report")]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)  # what another run has left, perhaps half done
    places = ["--artifacts", options.artifacts, "--report", report]
    size = [part for name in ("users", "items", "days", "seed") for part in (f"--{name}", str(vars(options)[name]))]
    stages: list[tuple[str, Command, list[str]]] = [
        ("writing logs", demo.main, ["--output", logs, *size]),
        ("cleaning them", clean.main, [logs, cleaned]),
        (
            "training and publishing",
            train.main,
            [f"{cleaned}/interactions", "--catalogue", f"{logs}/catalogue.parquet", "--truth", logs, *places],
        ),
    ]
    for name, command, its_arguments in stages:
        _tell(f"==> {name}")
        if code := command(its_arguments):
            return code
    return 0


def _parser(artifacts: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m step3_microservices.recommender.pipeline",
        description="Make recommendations from demo logs, where there are none yet.",
    )
    parser.add_argument("--users", type=int, default=2000, help="people (default: %(default)s)")
    parser.add_argument("--items", type=int, default=500, help="apps (default: %(default)s)")
    parser.add_argument("--days", type=int, default=30, help="days (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another world")
    parser.add_argument("--artifacts", default=artifacts, help="a folder or s3://bucket/prefix (default: %(default)s)")
    parser.add_argument("--again", action="store_true", help="also where something is published")
    return parser


def _tell(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
