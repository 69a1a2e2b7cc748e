"""Requests at a steady rate over connections that are kept, by one thread that costs little of the shared processors.

A time runs from the moment when a request was due, not from when it could be sent: whoever waits because others wait is
counted as waiting. So is, with the time until then, who still waits when the time is over twice.
"""

import json
import select
import socket
import sys
from collections import deque
from collections.abc import Sequence
from time import perf_counter
from urllib.parse import urlsplit


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


def ask(address: str, paths: Sequence[str], rate: float, seconds: float, clients: int) -> list[float]:
    """Ask for the paths in turn; return the seconds that each answer took. Anything but a 200 is an error."""
    host, port = urlsplit(address).hostname, urlsplit(address).port
    requests = [f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() for path in paths]
    connections = [Connection(host, port) for _ in range(clients)]
    idle, busy, times = deque(connections), set(), []
    started, sent, wanted = perf_counter(), 0, int(rate * seconds)
    now = started
    while len(times) < wanted and (now := perf_counter()) < started + 2 * seconds:
        while idle and sent < wanted and started + sent / rate <= now:
            connection = idle.popleft()
            connection.send(requests[sent % len(requests)], started + sent / rate)
            busy.add(connection)
            sent += 1
        pause = max(0.0, started + sent / rate - perf_counter()) if idle and sent < wanted else 5.0
        for connection in select.select(busy, (), (), pause)[0]:
            answer = connection.receive()
            if answer is None:
                continue
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer[:300])
            times.append(perf_counter() - connection.due)
            busy.remove(connection)
            idle.append(connection)
    times += [now - connection.due for connection in busy]
    times += [now - started - number / rate for number in range(sent, wanted)]
    for connection in connections:
        connection.socket.close()
    return times


def main() -> None:
    """Be the process that asks: take what to ask as JSON, give the times."""
    print(json.dumps(ask(**json.load(sys.stdin))))


if __name__ == "__main__":
    main()
