"""Requests at a steady rate over connections that are kept, by one thread that costs little of the shared processors.

A time runs from the moment when a request was due, not from when it could be sent: whoever waits because others wait is
counted as waiting. So is, with the time until then, who still waits when the time is over twice.
"""

import json
import select
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from time import perf_counter
from urllib.parse import urlsplit

from tests.app.serving import ROOT


class Connection:
    """One kept connection, with at most one request on it."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self._answer = b""

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, request: bytes, due: float) -> None:
        self.due, self._answer = due, b""
        self.socket.sendall(request)

    def receive(self) -> bytes | None:
        """Return the answer once it is whole."""
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("the service has closed a connection")
        self._answer += part
        head, _, body = self._answer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 1 << 30)
        return self._answer if len(body) >= length else None


def steady(address: str, requests: Sequence[str], rate: float, seconds: float, clients: int) -> list[float]:
    """Send so many requests a second, in turn; return the seconds that each answer took."""
    texts, connections = _prepared(address, requests, clients)
    idle, busy, times = deque(connections), set(), []
    started, sent, wanted = perf_counter(), 0, int(rate * seconds)
    now = started
    while len(times) < wanted and (now := perf_counter()) < started + 2 * seconds:
        while idle and sent < wanted and started + sent / rate <= now:
            connection = idle.popleft()
            connection.send(texts[sent % len(texts)], started + sent / rate)
            busy.add(connection)
            sent += 1
        pause = max(0.0, started + sent / rate - perf_counter()) if idle and sent < wanted else seconds
        for connection in _answered(busy, pause):
            times.append(perf_counter() - connection.due)
            busy.remove(connection)
            idle.append(connection)
    times += [now - connection.due for connection in busy]
    times += [now - started - number / rate for number in range(sent, wanted)]
    return times


def at_once(address: str, requests: Sequence[str], seconds: float, clients: int) -> list[float]:
    """Let each client ask again as soon as it is answered; return the seconds that each answer took."""
    texts, connections = _prepared(address, requests, clients)
    times: list[float] = []
    started = perf_counter()
    for number, connection in enumerate(connections):
        connection.send(texts[number], perf_counter())
    while perf_counter() < started + seconds:
        for connection in _answered(connections, seconds):
            times.append(perf_counter() - connection.due)
            connection.send(texts[(len(times) + clients) % len(texts)], perf_counter())
    return times


def get(path: str) -> str:
    """Return a request for that path."""
    return f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n"


def post(path: str, body: str) -> str:
    """Return a request that sends a text to that path, as a beacon does."""
    length = len(body.encode())
    return f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}"


def _prepared(address: str, requests: Sequence[str], clients: int) -> tuple[list[bytes], list[Connection]]:
    host, port = urlsplit(address).hostname, urlsplit(address).port
    return [request.encode() for request in requests], [Connection(host, port) for _ in range(clients)]


def _answered(connections: Iterable[Connection], pause: float) -> Iterator[Connection]:
    """Wait so many seconds for an answer; yield whoever has a whole one. Any status but 200 and 202 is an error."""
    for connection in select.select(connections, (), (), pause)[0]:
        answer = connection.receive()
        if answer is None:
            continue
        if not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")):
            raise RuntimeError(answer[:300])
        yield connection


def in_its_own_process(**given: object) -> list[float]:
    """Do `steady`, or without a rate `at_once`, where nobody else computes; return what it returns."""
    command = [sys.executable, "-m", "tests.benchmarks.recommender.traffic"]
    run = subprocess.run(command, cwd=ROOT, input=json.dumps(given), stdout=subprocess.PIPE, text=True, check=True)
    times: list[float] = json.loads(run.stdout)
    return times


def main() -> int:
    """Be the process that asks: take what to ask, and how, as JSON; give the times."""
    given = json.load(sys.stdin)
    try:
        times = steady(**given) if "rate" in given else at_once(**given)
    except (OSError, RuntimeError) as error:
        print(f"  the client gives up: {error}", file=sys.stderr)
        return 1
    print(json.dumps(times))
    return 0


if __name__ == "__main__":
    sys.exit(main())
