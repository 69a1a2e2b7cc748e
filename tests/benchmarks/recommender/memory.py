"""Recommendations for 5 million users in 200 MB: the naive way, and the service under a hard limit of memory.

The load client shares the two cores with what it measures.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil

from step3_microservices.recommender.artifact_stores import ArtifactStore
from tests.app.serving import ROOT, free_port, wait_until_answered
from tests.benchmarks.figures import Figure, p99
from tests.benchmarks.recommender import millions, naive, traffic
from tests.benchmarks.recommender.limits import MemoryGroup, limited

USERS = 5_000_000
RATE, CLIENTS, SECONDS, ROUNDS = 2_000, 32, 5, 3
MB = 1_000_000

SERVICE = [sys.executable, "-m", "step3_microservices.recommender.serve"]
WITH_READAHEAD = [sys.executable, "-m", "tests.benchmarks.recommender.with_readahead"]


@dataclass(frozen=True)
class Served:
    """A running service, and how long it took to be ready."""

    address: str
    process: "subprocess.Popen[bytes]"
    seconds: float

    def anonymous_mb(self) -> float:
        """Return what its processes have that is in no file; what they share is counted once."""
        main = psutil.Process(self.process.pid)
        return sum(_anonymous(one.pid) for one in (main, *main.children(recursive=True))) / 1e6


def measure() -> Iterator[Figure]:
    """Yield what both need, and how they answer."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        yield from _naive(folder)
        version = millions.write(folder / "artifacts", USERS).version
        ArtifactStore(str(folder / "artifacts")).set_current(version)
        lists = folder / "artifacts" / version / "lists.mdb"
        for limit, readahead in ((None, False), (200, False), (200, True), (100, False), (100, True)):
            _forget(lists)  # what another process has read would be paid for by that one's limit
            yield from _service(folder, limit, readahead=readahead)


def _naive(folder: Path) -> Iterator[Figure]:
    model = folder / "model.pickle"
    subprocess.run([sys.executable, "-m", naive.__name__, str(model), str(USERS)], cwd=ROOT, check=True)
    port = free_port()
    app = f"{naive.__name__}:create_app('{model}')"
    command = [sys.executable, "-m", "gunicorn", "--threads", "8", "--timeout", "600", "-b", f"127.0.0.1:{port}", app]
    with _running(command, port, {}) as served:
        yield from _told("naive", served, served.anonymous_mb, within=None)
    model.unlink()


def _service(folder: Path, limit: int | None, *, readahead: bool) -> Iterator[Figure]:
    port = free_port()
    settings = {"PORT": str(port), "WEB_PROCESSES": "2", "CONTROL_SHARE": "0", "ARTIFACTS": str(folder / "artifacts")}
    what = f"{f'limit of {limit} MB' if limit else 'no limit'}, read-ahead {'on' if readahead else 'off'}"
    command = WITH_READAHEAD if readahead else SERVICE
    if limit is None:
        with _running(command, port, settings) as served:
            yield from _told(what, served, served.anonymous_mb, within=(1, 5))
        return
    with limited(limit * MB) as group:
        if group is None:
            print(f"  {what}: this machine, or this user, can set none")
            return
        with _running(group.command(command), port, settings) as served:
            within = None if readahead else (1, 5)
            yield from _told(what, served, group.anonymous_mb, within=within, group=group)


def _told(
    what: str,
    served: Served,
    anonymous_mb: Callable[[], float],
    *,
    within: tuple[float, float] | None,
    group: MemoryGroup | None = None,
) -> Iterator[Figure]:
    """Yield the time to start, how it answers, and memory; without bounds, only as many requests as it can take."""
    yield Figure.at_most(
        within and within[0], f"{what}: seconds until ready", served.seconds, "imports, check, and open"
    )
    yield _most(what, served)
    if within:
        rounds = [_times(served.address, rate=RATE, seconds=SECONDS, clients=CLIENTS) for _ in range(ROUNDS)]
        best, *others = sorted(rounds, key=p99)
        details = f"p50 {median(best):.2f}; the best of {ROUNDS} times {SECONDS} s, the others " + ", ".join(
            f"{p99(times):.1f}" for times in others
        )
        yield Figure.at_most(within[1], f"{what}: ms, p99 over HTTP at {RATE:,} requests/s", p99(best), details)
    details = f"at most {group.highest_mb():.0f} with file cache" if group else "what processes share counts once"
    yield Figure.at_most(None, f"{what}: anonymous memory, MB", anonymous_mb(), details)


def _most(what: str, served: Served) -> Figure:
    """Return how many requests it can take."""
    try:
        times = _times(served.address, seconds=SECONDS, clients=8)
    except subprocess.CalledProcessError:  # the client has said why: most likely a process was killed
        return Figure.at_least(None, f"{what}: requests/s at most", 0, "it closed connections, or answered with errors")
    details = f"p50 {median(times):.2f}, p99 {p99(times):.1f} ms; 8 clients, each as soon as it is answered"
    return Figure.at_least(None, f"{what}: requests/s at most", len(times) / SECONDS, details)


def _times(address: str, **how: float) -> list[float]:
    """Return the milliseconds of each answer; `how` is what `traffic.py` is to do."""
    asked = random.sample(range(USERS), int(RATE * SECONDS))
    path = "/v1/recommendations?country=DE&installed=app-1,app-2&user_id="
    requests = [traffic.get(f"{path}{millions.user_id(number)}") for number in asked]
    return [seconds * 1e3 for seconds in traffic.in_its_own_process(address=address, requests=requests, **how)]


@contextmanager
def _running(command: list[str], port: int, settings: Mapping[str, str]) -> Iterator[Served]:
    started = time.perf_counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | settings, **quiet)
    try:
        wait_until_answered(f"http://127.0.0.1:{port}/readyz", process)
        seconds = time.perf_counter() - started
        time.sleep(1)  # one process was ready; a client that came now would have all its connections with that one
        yield Served(f"http://127.0.0.1:{port}", process, seconds)
    finally:
        process.terminate()
        process.wait()


def _anonymous(pid: int) -> int:
    """Return the bytes of a process that are in no file, its share of those that several have."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss_Anon:"))


def _forget(path: Path) -> None:
    """Let the system give back what it has kept of that file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
