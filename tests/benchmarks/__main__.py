"""Measure: `python -m tests.benchmarks [NAME ...]`, where a name is that of a file or folder beside this one.

Every number is a ratio of two things measured in turn in one run, so that the speed of the machine falls out. Each
benchmark has a process to itself: what one leaves in memory, or in TensorFlow's threads, is no concern of the next.
"""

import os
import subprocess
import sys
from importlib import import_module

NAMES = (
    "one_picture",
    "many_pictures",
    "cold_start",
    "memory",
    "web",
    "microservices.latency",
    "microservices.throughput",
    "microservices.shipped",
    "microservices.footprint",
    "microservices.growth",
    "recommender.cleaning",
    "recommender.spark",
    "recommender.quality",
    "recommender.training",
    "recommender.lookup",
    "recommender.memory",
    "recommender.events",
    "containers",
)


def main() -> int:
    """Run the benchmarks that are named, or all; return 1 if a bound was not kept."""
    asked = sys.argv[1:] or NAMES
    names = [name for one in asked for name in NAMES if name == one or name.startswith(f"{one}.")] or asked
    if len(names) > 1:
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3"} | os.environ
        runs = [
            subprocess.run([sys.executable, "-m", "tests.benchmarks", name], check=False, env=quiet) for name in names
        ]
        return max(run.returncode for run in runs)
    print(f"{names[0]}:", flush=True)
    figures = []
    for figure in import_module(f"tests.benchmarks.{names[0]}").measure():
        print(f"  {figure}", flush=True)
        figures.append(figure)
    return int(not all(figure.kept for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
