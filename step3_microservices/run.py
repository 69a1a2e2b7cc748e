"""All of step 3 on one machine: `python -m step3_microservices.run`, with the settings of its processes as variables.

Redis and the recommender are those at REDIS_URL and RECOMMENDER_URL, or else some of its own; the model is exported
first where that was not done yet; the processes are those of the Procfile. Once all is ready, a small demo makes first
recommendations where there are none. Ctrl-C or SIGTERM stops everything, Redis last.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import sleep

import requests
from honcho.environ import parse_procfile
from honcho.manager import Manager

from step3_microservices.first_model import FirstModel
from step3_microservices.gateway.config import read_config
from step3_microservices.redis_server import free_port, redis_program, start_redis
from step3_microservices.settings import ConfigError
from step3_microservices.worker.export import exported

_PROCFILE = Path(__file__).with_name("Procfile")
_MODEL_OPTIONS = ("model", "weights", "labels", "scaling", "artifacts")
_RECOMMENDER_PORT = 8010
_OWN = "RECOMMENDER_"  # what begins with it is a setting of the recommender alone, such as RECOMMENDER_ARTIFACTS
_EDGES = ("api_keys_sha256", "cors_origins", "rate_limit")  # the gateway's, which the recommender is behind
_NOT_SHARED = (*_EDGES, "artifacts", "web_processes", "threads")
_NO_REDIS = """There is no Redis to run with.
Install one (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis), or name one in REDIS_URL."""


def main() -> int:
    """Run until Ctrl-C or SIGTERM; return the exit code."""
    environment = dict(os.environ)
    try:
        wanted = read_config(environment).port
    except ConfigError as error:
        _say(f"{error.detail} {error.remedy}")
        return 2
    port = free_port(wanted)
    if port != wanted:
        _say(f"Port {wanted} is taken.")
    environment["PORT"] = str(port)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    if not _is_exported(environment):
        return 2
    with _redis(environment) as address:
        if address is None:
            _say(_NO_REDIS)
            return 2
        return _run(environment | {"REDIS_URL": address}, f"http://{environment.get('HOST', '127.0.0.1')}:{port}")


def _is_exported(environment: Mapping[str, str]) -> bool:
    """Return whether there is a model to serve, after an export where there was none."""
    if environment.get("RUNTIME") == "tensorflow" or environment.get("ARTIFACTS", "").startswith("s3://"):
        return True
    given = {name: environment[name.upper()] for name in _MODEL_OPTIONS if environment.get(name.upper())}
    paths = {name: Path(given[name]) for name in ("labels", "artifacts") if name in given}
    if exported(**given | paths):  # type: ignore[arg-type] # each is what its name says
        return True
    _say("The model is exported first, once; that takes a minute or two.")
    command = [sys.executable, "-m", "step3_microservices.worker.export"]
    command += [part for name, value in given.items() for part in (f"--{name}", value)]
    return subprocess.run(command, env=environment, check=False).returncode == 0


@contextmanager
def _redis(environment: Mapping[str, str]) -> Iterator[str | None]:
    """Have a Redis run; yield its address, or None where none can be found."""
    if given := environment.get("REDIS_URL"):
        yield given
        return
    program = redis_program()
    if program is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        unix_socket = Path(folder, "redis.sock")
        # It is not persistent: it ends with those who use it.
        server = start_redis(program, free_port(), Path(folder), is_persistent=False, unix_socket=unix_socket)
        try:
            yield f"unix://{unix_socket}"
        finally:
            server.terminate()
            server.wait()


def _run(environment: Mapping[str, str], address: str) -> int:
    manager, first_model = Manager(), FirstModel()
    recommender, environment = _recommender(environment)
    for name, command in parse_procfile(_PROCFILE.read_text()).processes.items():
        if name == "recommender" and not recommender:
            continue
        manager.add_process(name, command, env=dict(recommender if name == "recommender" else environment))
    Thread(target=_announce, args=(address, first_model, recommender), daemon=True).start()
    try:
        manager.loop()
    finally:
        first_model.stop()
    return 0 if manager.returncode in {130, 143} else int(manager.returncode or 0)  # asked to stop, it has stopped


def _recommender(environment: Mapping[str, str]) -> tuple[dict[str, str], Mapping[str, str]]:
    """Return the settings of a recommender of its own, empty where one is given, and those of the others."""
    if environment.get("RECOMMENDER_URL"):
        return {}, environment
    port = free_port(_RECOMMENDER_PORT)
    own = {name.removeprefix(_OWN): value for name, value in environment.items() if name.startswith(_OWN)}
    shared = {name: value for name, value in environment.items() if name.lower() not in _NOT_SHARED}
    behind = {"HOST": "127.0.0.1", "PORT": str(port), "TRUSTED_PROXIES": "1"}
    return shared | own | behind, {**environment, "RECOMMENDER_URL": f"http://127.0.0.1:{port}"}


def _announce(address: str, first_model: FirstModel, recommender: Mapping[str, str]) -> None:
    """Say where the page is, once it answers a golden picture right; then see to recommendations."""
    _wait_until_ready(address)
    _say(f"\nReady: open {address} in a browser. Ctrl-C stops everything.\n")
    if recommender and first_model.make(recommender):
        _wait_until_ready(f"http://127.0.0.1:{recommender['PORT']}")
        _say("The page recommends something now, from a demo: load it anew.\n")


def _wait_until_ready(address: str) -> None:
    while True:
        try:
            if requests.get(f"{address}/readyz", timeout=10).ok:
                return
        except requests.RequestException:
            pass
        sleep(0.2)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
