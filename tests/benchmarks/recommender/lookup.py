"""The store of lists by itself: how fast it is written and read in process, and what a user costs."""

import random
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from shared.recommender.artifact import open_artifact
from shared.recommender.fallback import recommend
from tests.benchmarks.figures import Figure, p99
from tests.benchmarks.recommender.millions import batches, user_id, write

USERS, LOOKUPS = 5_000_000, 100_000


def measure() -> Iterator[Figure]:
    """Yield what writing, keeping and reading cost."""
    given = list(batches(USERS))  # training has them by then; making them up is not to be timed
    with TemporaryDirectory() as name:
        started = perf_counter()
        manifest = write(Path(name), USERS, iter(given))
        seconds = perf_counter() - started
        del given
        what = f"users/s written, {USERS:,} users, with digests and fsync"
        yield Figure.at_least(200_000, what, USERS / seconds, f"{seconds:.1f} s")
        size = sum(file.size for file in manifest.files.values())
        yield Figure.at_most(100, "bytes a user, index and catalogue included", size / USERS, f"{size / 1e6:.0f} MB")
        started = perf_counter()
        artifact = open_artifact(Path(name) / manifest.version)
        details = "every file read and compared with its digest"
        yield Figure.at_most(1, "seconds to check and open it", perf_counter() - started, details)
        asked = [user_id(number) for number in random.Random(1).sample(range(USERS), LOOKUPS)]
        times = _timed(artifact.lists.get, asked)
        details = f"p99 {p99(times):.1f}, {LOOKUPS:,} users in no order, in process"
        yield Figure.at_most(5, "microseconds to look up a list, median", median(times), details)
        times = _timed(lambda one: recommend(artifact, one, "DE", 6, frozenset({"app-1"})), asked)
        yield Figure.at_most(None, "microseconds to recommend 6 items, median", median(times), f"p99 {p99(times):.1f}")
        artifact.close()


def _timed(ask, asked: list[str]) -> list[float]:
    """Return the microseconds of each call."""
    times = []
    for one in asked:
        started = perf_counter()
        ask(one)
        times.append((perf_counter() - started) * 1e6)
    return times
