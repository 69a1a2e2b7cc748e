"""What a second worker process brings, and whether a picture costs the same after 10,000 of them (REQUESTS=100000)."""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import psutil
from PIL import Image

from tests.app.step3.system import System, running
from tests.benchmarks.figures import Figure
from tests.benchmarks.load import Client
from tests.benchmarks.microservices.artifacts import OFFLINE, RANDOM, artifacts
from tests.benchmarks.microservices.servers import step3
from tests.benchmarks.microservices.sides import JPEG, in_rounds, ratio, speed
from tests.benchmarks.photographs import write_photographs

CLIENTS, ROUNDS, SECONDS, PICTURES = 8, 5, 4.0, 40
WARM, CHUNK = 100, 500


def measure() -> Iterator[Figure]:
    """Yield both."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        yield _second_process(folder)
        yield from _flat(folder, int(os.environ.get("REQUESTS", "10000")))


def _second_process(folder: Path) -> Figure:
    photographs = [path.read_bytes() for path in write_photographs(folder, PICTURES)]
    with step3(folder, RANDOM, "int8") as one, step3(folder, RANDOM, "int8", WORKER_PROCESSES="2") as two:
        sides = {"one": one, "two": two}
        runs = in_rounds(
            {key: lambda s=side: s.load(photographs, CLIENTS, SECONDS) for key, side in sides.items()}, ROUNDS
        )
    what = f"{RANDOM}, int8, {CLIENTS} clients: images/s with two worker processes / with one, {os.cpu_count()} cores"
    details = f"{speed(runs['two']):.1f} against {speed(runs['one']):.1f}"
    return Figure.at_least(None, what, ratio(runs["two"], runs["one"]), details)


def _flat(folder: Path, requests: int) -> Iterator[Figure]:
    """Send pictures that nobody has seen before, with the answer cache on: it fills, and nothing comes out of it."""
    with running(folder, ARTIFACTS=str(artifacts()), MODEL=OFFLINE) as system:
        client = Client(system.address, JPEG)
        client.load(_new_pictures(0, WARM), CLIENTS, WARM)
        before = _resident_mb(system)
        costs = [_cost(system, client, number) for number in range(requests // CHUNK)]
        after = _resident_mb(system)
    few = max(1, len(costs) // 10)
    first, last = (median(some) for some in (costs[:few], costs[-few:]))
    what = f"{OFFLINE}: processor time per picture, the last {few * CHUNK} of {requests} / the first"
    yield Figure.at_most(1.1, what, last / first, f"{last * 1e3:.2f} against {first * 1e3:.2f} ms, {CLIENTS} clients")
    for name, resident_mb in after.items():
        what = f"{OFFLINE}: resident memory of {name} after {requests} pictures / after {WARM}"
        yield Figure.at_most(None, what, resident_mb / before[name], f"{resident_mb:.0f} against {before[name]:.0f} MB")


def _cost(system: System, client: Client, number: int) -> float:
    """Return the seconds of processor, in all processes of step 3, that each picture of a chunk takes."""
    pictures = _new_pictures(WARM + number * CHUNK, CHUNK)
    before = _processor_seconds(system)
    client.load(pictures, CLIENTS, CHUNK)
    return (_processor_seconds(system) - before) / CHUNK


def _new_pictures(first: int, count: int) -> list[bytes]:
    """Return JPEGs of 640x480, each of which differs from every other in more than its bytes."""
    pictures = []
    for number in range(first, first + count):
        tiles = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(tiles).resize((640, 480), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        pictures.append(file.getvalue())
    return pictures


def _processes(system: System) -> dict[str, psutil.Process]:
    (worker,) = system.worker_processes()
    (gateway,) = psutil.Process(system.gateway.process.pid).children()
    assert system.redis.process
    return {"worker": worker, "gateway": gateway, "Redis": psutil.Process(system.redis.process.pid)}


def _processor_seconds(system: System) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in _processes(system).values())


def _resident_mb(system: System) -> dict[str, float]:
    return {name: one.memory_info().rss / 1e6 for name, one in _processes(system).items()}
