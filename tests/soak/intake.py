"""Throw ruined pictures at the intake for as long as is wanted.

Whatever the bytes, `decode` gives a picture or an ImageError, from any number of threads, in bounded time and memory.
"""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, perf_counter

import psutil

from shared.classifier.images import decode
from shared.errors import ImageError
from tests.model.test_images_damage import ruins

THREADS = 4
ROUND = 2000
SLOWEST_S = 5.0


def ending(ruin: bytes) -> tuple[str, float]:
    """Decode one file; return what became of it, and in how many seconds."""
    started = perf_counter()
    try:
        decode(ruin)
        what = "picture"
    except ImageError as error:
        what = error.code
    except Exception as error:  # noqa: BLE001 - what this soak is looking for
        what = f"UNFORESEEN {error!r}"
    return what, perf_counter() - started


def soak(seconds: float) -> int:
    """Run rounds, each with another seed, until the time is up; return 1 if something unforeseen or slow came up."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff has something to say on each ruin
    deadline = monotonic() + seconds
    endings: Counter[str] = Counter()
    slowest, seed = 0.0, 0
    with ThreadPoolExecutor(THREADS) as pool:
        while monotonic() < deadline:
            seed += 1
            for what, took in pool.map(ending, ruins(ROUND, seed)):
                endings[what] += 1
                slowest = max(slowest, took)
            resident = psutil.Process().memory_info().rss / 1e6
            print(f"{endings.total():,} files, slowest {slowest:.2f} s, resident {resident:.0f} MB", flush=True)
    print(", ".join(f"{what}: {count:,}" for what, count in endings.most_common()))
    return int(slowest > SLOWEST_S or any(what.startswith("UNFORESEEN") for what in endings))
