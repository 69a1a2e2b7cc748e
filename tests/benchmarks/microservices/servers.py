"""Step 3, its peers and the web application of a tutorial, each in processes of its own, each with the same model."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from tests.app.serving import ROOT, free_port, wait_until_answered
from tests.app.step3.system import running
from tests.benchmarks.load import FORM
from tests.benchmarks.microservices.artifacts import RANDOM, artifact, artifacts, keras_file
from tests.benchmarks.microservices.sides import JPEG, Server
from tests.benchmarks.photographs import SAMPLES

# What each is asked in, the cheapest that it takes; where it tells that it is there.
_PEERS = {"LitServe": ("litserve_server", FORM, "/health"), "Mosec": ("mosec_server", JPEG, "/")}
_PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"


@contextmanager
def step3(folder: Path, model: str, precision: str = "auto", **settings: str) -> Iterator[Server]:
    """Run step 3 with what it is shipped with, but for the answer cache: a picture is never answered from memory."""
    shared = {"ARTIFACTS": str(artifacts()), "MODEL": model, "PRECISION": precision, "ANSWER_TTL_S": "0"}
    unix_socket = folder / f"redis-{free_port()}.sock"  # as `make run` has one
    with running(folder, unix_socket=unix_socket, **shared | settings) as system:
        (gateway,) = psutil.Process(system.gateway.process.pid).children()
        redis = [psutil.Process(one.pid) for one in (system.redis.process,) if one]
        processes = (gateway, *system.worker_processes(), *redis)
        yield Server("step 3", system.address, JPEG, processes, rests=False)


@contextmanager
def peers(folder: Path, model: str, precision: str) -> Iterator[list[Server]]:
    """Run the peers; none where they are not installed."""
    if not _PEERS_PYTHON.exists():
        print("  The peers, LitServe and Mosec, are not installed, so the rest is measured; for them: make peers")
        yield []
        return
    with ExitStack() as stack:
        yield [stack.enter_context(_peer(name, folder, model, precision)) for name in _PEERS]


@contextmanager
def _peer(name: str, folder: Path, model: str, precision: str) -> Iterator[Server]:
    module, media_type, ready = _PEERS[name]
    port = str(free_port())
    arguments = [f"tests.benchmarks.peers.{module}", str(artifact(model).folder), precision, port]
    with _running([str(_PEERS_PYTHON), "-m", *arguments], folder / f"{module}-{port}.log") as process:
        address = f"http://127.0.0.1:{port}"
        wait_until_answered(address + ready, process)
        Server(name, address, media_type).load([(SAMPLES / "cat.jpg").read_bytes()], 1, 0.1)  # all its processes are up
        yield Server(name, address, media_type, _tree(psutil.Process(process.pid)))


@contextmanager
def tutorial(folder: Path) -> Iterator[Server]:
    """Run Flask and `model.predict`, with TensorFlow's InceptionV3."""
    port = str(free_port())
    scaling = artifact(RANDOM).preprocessing.scaling.name
    command = [sys.executable, "-m", "tests.benchmarks.tutorial", str(keras_file()), scaling, port]
    with _running(command, folder / f"tutorial-{port}.log") as process:
        address = f"http://127.0.0.1:{port}"
        wait_until_answered(f"{address}/readyz", process)
        yield Server("tutorial", address, FORM, _tree(psutil.Process(process.pid)))


@contextmanager
def _running(command: list[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        yield process
    finally:
        processes = _tree(psutil.Process(process.pid)) if process.poll() is None else []
        for one in processes:
            one.resume()
        process.terminate()
        _, alive = psutil.wait_procs(processes, timeout=20)
        for one in alive:
            one.kill()
        process.wait()


def _tree(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]
