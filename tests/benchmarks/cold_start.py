"""The whole process for one picture with the offline model, against importing TensorFlow alone.

Nothing large is imported here: on Linux a new process starts its peak memory from that of the one that made it.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from statistics import median
from time import perf_counter

from tests.benchmarks.figures import Figure

ROUNDS = 7
IMPORT = [sys.executable, "-c", "import tensorflow"]
SCRIPT = [sys.executable, "-m", "step1_script.classify", "shared/samples/cat.jpg", "--model", "efficientnet_lite0"]


def run(command: list[str]) -> tuple[float, float]:
    """Return the seconds and the peak resident memory in MB of a whole process."""
    started = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    took = perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB here
    return took, usage.ru_maxrss * unit / 1e6


def measure() -> Iterator[Figure]:
    """Yield the time as a part of what is allowed: 1.3 times the import, plus a second."""
    run(SCRIPT)
    rounds = [(run(IMPORT), run(SCRIPT)) for _ in range(ROUNDS)]
    ratio = median(script / (1.3 * alone + 1) for (alone, _), (script, _) in rounds)
    alone, script = median(a for (a, _), _ in rounds), median(s for _, (s, _) in rounds)
    what = "efficientnet_lite0: whole process for one picture / (1.3 x import of TensorFlow + 1 s)"
    yield Figure.at_most(1, what, ratio, f"{script:.2f} s against {alone:.2f} s for the import")
    peak, bare = median(p for _, (_, p) in rounds), median(p for (_, p), _ in rounds)
    what = "efficientnet_lite0: peak memory of that process, MB"
    yield Figure.at_most(None, what, peak, f"{bare:.0f} MB for the import")
