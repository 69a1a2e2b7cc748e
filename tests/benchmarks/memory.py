"""Resident memory after 2,000 pictures, against that after 200, in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from shared.classifier.models import load
from shared.classifier.predictions import Answer
from step1_script.classify import classify
from step1_script.options import read_options
from step1_script.reports import Report
from step1_script.sources import find_sources
from step1_script.writers import JsonLinesWriter
from tests.benchmarks.figures import Figure
from tests.benchmarks.photographs import write_photographs

FEW, MANY = 200, 2000


class MeasuringReport(Report):
    """Notes the resident memory, in MB, when FEW and when MANY pictures have been answered."""

    def __init__(self) -> None:
        super().__init__(JsonLinesWriter(open("/dev/null", "w")), lambda: None)  # noqa: SIM115, PTH123
        self.resident: dict[int, float] = {}

    def answer(self, source: str, answer: Answer) -> None:
        super().answer(source, answer)
        if self.answered in {FEW, MANY}:
            self.resident[self.answered] = psutil.Process().memory_info().rss / 1e6


def measure() -> Iterator[Figure]:
    """Yield the ratio of the two."""
    child = subprocess.run(
        [sys.executable, "-m", __name__], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    few, many = json.loads(child.stdout)
    what = f"efficientnet_lite0: resident memory after {MANY} pictures / after {FEW}"
    yield Figure.at_most(1.05, what, many / few, f"{many:.0f} MB against {few:.0f} MB")


def main() -> None:
    """Be the process that is measured: print both numbers as JSON."""
    with TemporaryDirectory() as folder:
        write_photographs(Path(folder), FEW)
        options = read_options([folder])
        classifier = load("efficientnet_lite0")
        report = MeasuringReport()
        sources = chain.from_iterable(repeat(list(find_sources(options.sources)), MANY // FEW))
        classify(sources, classifier, report, options)
    print(json.dumps([report.resident[FEW], report.resident[MANY]]))


if __name__ == "__main__":
    main()
