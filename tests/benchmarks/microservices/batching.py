"""The batching curve: images per second, p50 and p99 for each size of batch, precision and number of clients."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.app.serving import ROOT, serving
from tests.app.step3.system import GATEWAY, redis_server
from tests.benchmarks.microservices.artifacts import RANDOM, artifacts
from tests.benchmarks.microservices.sides import JPEG, Server, in_rounds, slow, speed

SIZES, PRECISIONS, CLIENTS = (1, 2, 4, 8), ("float32", "bfloat16", "int8"), (1, 8, 32)
ROUNDS, SECONDS = 3, 3.0


class Point(NamedTuple):
    """What was measured with one setting; times in milliseconds."""

    precision: str
    max_batch_size: int
    clients: int
    images_per_s: float
    p50_ms: float
    p99_ms: float


def points(folder: Path, photographs: Sequence[bytes]) -> Iterator[Point]:
    """Yield them; with the same precision and clients, the sizes take turns."""
    for precision in PRECISIONS:
        with ExitStack() as stack:
            servers = {size: stack.enter_context(_step3(folder, precision, size)) for size in SIZES}
            for clients in CLIENTS:
                turns = {
                    str(size): lambda s=server, c=clients: s.load(photographs, c, SECONDS)
                    for size, server in servers.items()
                }
                for size, runs in in_rounds(turns, ROUNDS).items():
                    half = median(time for run in runs for time in run.times)
                    yield Point(precision, int(size), clients, speed(runs), half * 1e3, slow(runs) * 1e3)


@contextmanager
def _step3(folder: Path, precision: str, size: int) -> Iterator[Server]:
    redis_folder = folder / f"redis-{precision}-{size}"
    redis_folder.mkdir()
    settings = {"ARTIFACTS": str(artifacts()), "MODEL": RANDOM, "PRECISION": precision, "ANSWER_TTL_S": "0"}
    with redis_server(redis_folder) as redis:
        settings |= {"MAX_BATCH_SIZE": str(size), "REDIS_URL": redis.url}
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.microservices.worker"],
            cwd=ROOT,
            env=os.environ | settings,
            stdout=subprocess.DEVNULL,
        )
        try:
            with serving(GATEWAY, folder, **settings) as gateway:
                yield Server(f"batches of {size}", gateway.address, JPEG)
        finally:
            worker.terminate()
            worker.wait()
