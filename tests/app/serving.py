"""Real servers for tests: a step's own entry point in a process of its own, on a free port."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests

ROOT = Path(__file__).parents[2]  # not that of conftest, which brings TensorFlow
READY_WITHIN_S, STOPPED_WITHIN_S = 120, 60
FIRST_PORT, PORTS = 20_000, 6_000


@dataclass(frozen=True)
class Served:
    """A running service: its address, its process, and the file that its standard output goes to."""

    address: str
    process: subprocess.Popen[bytes]
    output: Path

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal, wait for the end, and return the exit code."""
        self.process.send_signal(sent)
        return ended(self.process, self.output)


def free_port() -> int:
    """Return a port that nobody listens on, of this process's own where tests run in two.

    It lies below those that systems take for outgoing connections, one of which might have it before a server does.
    """
    first = FIRST_PORT + PORTS * (os.environ.get("PYTEST_XDIST_WORKER") == "gw1")
    while True:
        port = first + secrets.randbelow(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def serving(module: str, folder: Path, *, until_ready: bool = True, **settings: str) -> Iterator[Served]:
    """Run `python -m MODULE` with these settings as environment variables; the offline model if they name none."""
    port = settings.setdefault("PORT", str(free_port()))
    output = folder / f"{module}-{port}.out"
    process = started(module, output, **settings)
    served = Served(f"http://127.0.0.1:{port}", process, output)
    try:
        wait_until_answered(served.address + ("/readyz" if until_ready else "/livez"), process)
        yield served
    finally:
        process.terminate()
        ended(process, output)


def started(module: str, output: Path, **settings: str) -> "subprocess.Popen[bytes]":
    """Start `python -m MODULE` with these settings; what it says goes to the file, its errors to one beside it."""
    environment = os.environ | {"MODEL": "efficientnet_lite0", "PYTHONFAULTHANDLER": "1"} | settings
    with output.open("wb") as stdout, output.with_suffix(".err").open("wb") as stderr:
        return subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, env=environment, stdout=stdout, stderr=stderr)


def ended(process: "subprocess.Popen[bytes]", output: Path) -> int:
    """Wait for the end of what was asked to stop; return its exit code.

    One that does not stop fails the test with where each thread of it is, and is not left to those that follow.
    """
    try:
        return process.wait(timeout=STOPPED_WITHIN_S)
    except subprocess.TimeoutExpired:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for one in reversed(family):
            one.send_signal(signal.SIGABRT)  # on which faulthandler tells
        process.wait(timeout=STOPPED_WITHIN_S)
        psutil.wait_procs(family, timeout=STOPPED_WITHIN_S)
        told = output.with_suffix(".err").read_text()[-20_000:]
        raise AssertionError(f"{process.args} does not stop:\n{told}") from None


def wait_until_answered(address: str, process: "subprocess.Popen[bytes]") -> None:
    """Return once the address is answered with a good status."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            if requests.get(address, timeout=10).ok:
                return
        except (requests.ConnectionError, requests.Timeout):
            pass  # not listening yet, or busy with its first picture
        time.sleep(0.1)
    raise AssertionError(f"{address} was not answered within {READY_WITHIN_S} s")


def wait_until(condition: Callable[[], object], within_s: float = 60) -> None:
    """Return once the condition holds; so long as a busy machine may take, and no test means to wait."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it does not come to this"
        time.sleep(0.02)
