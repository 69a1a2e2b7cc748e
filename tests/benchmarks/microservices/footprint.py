"""Resident memory of step 3's processes after load and use, and the time from starting a worker to its first answer."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, time

import numpy as np
import psutil

from step3_microservices.broker import create_celery
from step3_microservices.contract import INTERACTIVE, Result, Work, pack_picture
from step3_microservices.redis_client import connect
from step3_microservices.store import Question, Store
from step3_microservices.task_messages import TaskMessages
from tests.app.serving import ROOT
from tests.app.step3.system import RedisServer, redis_server, running
from tests.benchmarks.figures import Figure
from tests.benchmarks.load import Client
from tests.benchmarks.microservices.artifacts import OFFLINE, RANDOM, artifact, artifacts
from tests.benchmarks.microservices.sides import JPEG
from tests.benchmarks.peers.pipeline import Pipeline
from tests.benchmarks.photographs import write_photographs

# Each model and precision, and the megabytes that a worker with it may have.
SUBJECTS = ((RANDOM, "int8", 200), (RANDOM, "bfloat16", 300), (RANDOM, "float32", None), (OFFLINE, "auto", None))
GATEWAY_MB, REQUESTS, PICTURES = 90, 500, 40
COLD_STARTS = 5
WORKER = "step3_microservices.worker.process"


def measure() -> Iterator[Figure]:
    """Yield megabytes, then seconds."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        photographs = [path.read_bytes() for path in write_photographs(folder, PICTURES)]
        for model, precision, bound in SUBJECTS:
            yield from _resident(folder, photographs, model, precision, bound)
        for model, precision in ((RANDOM, "int8"), (OFFLINE, "auto")):
            yield _cold_start(folder, photographs[0], model, precision)


def _resident(
    folder: Path, photographs: Sequence[bytes], model: str, precision: str, bound: int | None
) -> Iterator[Figure]:
    settings = {"ARTIFACTS": str(artifacts()), "MODEL": model, "PRECISION": precision, "ANSWER_TTL_S": "0"}
    with running(folder, **settings) as system:
        for clients in (1, 8, 32):
            Client(system.address, JPEG).load(photographs, clients, REQUESTS)
        (worker,) = system.worker_processes()
        (gateway,) = psutil.Process(system.gateway.process.pid).children()
        for process, what, most in ((worker, "a worker process", bound), (gateway, "a web process", GATEWAY_MB)):
            memory = process.memory_full_info()
            details = f"{memory.uss / 1e6:.0f} MB of it unshared, after {3 * REQUESTS} requests"
            figure = f"{model}, {precision}: resident memory of {what}, MB"
            yield Figure.at_most(most, figure, memory.rss / 1e6, details)


def _cold_start(folder: Path, photograph: bytes, model: str, precision: str) -> Figure:
    pipeline = Pipeline(artifact(model).folder, precision)
    batch = pipeline.prepare(photograph)
    expected = pipeline.classifier.predict(batch)[0]
    redis_folder = folder / f"redis-{model}"
    redis_folder.mkdir()
    with redis_server(redis_folder) as redis:
        version = str(pipeline.classifier.version)
        settings = {"ARTIFACTS": str(artifacts()), "MODEL": model, "PRECISION": precision}
        times = [_first_answer(redis, settings, version, batch, expected, str(n)) for n in range(COLD_STARTS + 1)][1:]
    what = f"{model}, {precision}: s from starting a worker process to its first right answer in Redis, median"
    return Figure.at_most(2, what, median(times), f"slowest of {COLD_STARTS} {max(times):.2f} s")


def _first_answer(  # noqa: PLR0913, PLR0917
    redis: RedisServer, settings: dict[str, str], version: str, batch: np.ndarray, expected: np.ndarray, digest: str
) -> float:
    """Send a task as a gateway does, and start a worker that finds it waiting."""
    store = Store(connect(redis.url), answer_ttl_s=0)
    work = Work(digest, version, False, time() + 60, time(), "")
    messages = TaskMessages(create_celery(redis.url, visibility_timeout_s=60), INTERACTIVE)
    store.ask(Question(work, messages.of(work), pack_picture(batch), None, {}), digest, ttl_s=60, max_queued=9)
    started = perf_counter()
    environment = os.environ | {"REDIS_URL": redis.url} | settings
    worker = subprocess.Popen([sys.executable, "-m", WORKER], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        answer = None
        while answer is None and perf_counter() < started + 60:
            answer = store.wait(digest, 1)
        took = perf_counter() - started
    finally:
        worker.terminate()
        worker.wait()
    if not isinstance(answer, Result) or not np.allclose(answer.probabilities, expected, atol=0.01):
        raise RuntimeError(f"the worker's first answer was {answer}")
    return took
