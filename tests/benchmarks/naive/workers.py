"""A Redis and Celery workers for a lesson, as tutorials start them; whatever becomes of it, they are ended.

The pool is prefork, a task is acknowledged before it is done, and messages are JSON: Celery's defaults.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from celery import Celery
from redis import Redis

from tests.app.serving import ROOT
from tests.app.step3.system import RedisServer

_READY_WITHIN_S = 60


@cache
def connection() -> Redis:
    """Return this process's client of the lesson's Redis: the first call comes after every fork."""
    return Redis.from_url(os.environ["CELERY_BROKER_URL"], socket_timeout=None)  # BLPOP has its own


@contextmanager
def redis() -> Iterator[Redis]:
    """Run a Redis, which Celery finds through its own environment variables."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what is open here is closed
    with TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        try:
            server.start()
            os.environ |= {"CELERY_BROKER_URL": server.url, "CELERY_RESULT_BACKEND": server.url}
            yield connection()
        finally:
            server.stop()


@contextmanager
def worker(app: Celery, queue: str = "celery", concurrency: int = 1) -> Iterator[None]:
    """Run a worker for a queue, from the module named as the app is, until it is ready."""
    name = f"{queue}@lesson"
    module = f"{__package__}.{app.main}"
    options = ["--queues", queue, "--hostname", name, "--concurrency", str(concurrency)]
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "--app", module, "worker", *options],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _READY_WITHIN_S
        while not app.control.ping([name], timeout=0.3):
            assert process.poll() is None, f"the worker ended with {process.returncode}"
            assert time.monotonic() < deadline, f"the worker is not ready within {_READY_WITHIN_S} s"
        yield
    finally:
        # Not by a polite signal, after which a worker waits for its tasks: some of them never end. It is stopped first,
        # or it would put another child in the place of each that is killed.
        if process.poll() is None:
            process.send_signal(signal.SIGSTOP)
            ended = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
            for each in ended:
                each.kill()
            psutil.wait_procs(ended, timeout=20)
