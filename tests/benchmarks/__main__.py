"""Measure: `python -m tests.benchmarks [NAME ...]`, where a name is that of a file beside this one.

Every number is a ratio of two things measured in turn in one run, so that the speed of the machine falls out.
"""

import sys
from importlib import import_module

NAMES = ("one_picture", "many_pictures", "cold_start", "memory")


def main() -> int:
    """Run the benchmarks that are named, or all; return 1 if a bound was not kept."""
    failed = False
    for name in sys.argv[1:] or NAMES:
        print(f"{name}:", flush=True)
        for figure in import_module(f"tests.benchmarks.{name}").measure():
            print(f"  {figure}", flush=True)
            failed |= not figure.kept
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
