"""A load client that costs little of the processors it shares with what it measures."""

import http.client
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import local
from time import perf_counter
from urllib.parse import urlsplit

BOUNDARY = "a-boundary-that-no-photograph-contains"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def multipart(image_bytes: bytes) -> bytes:
    """Return a photograph as a browser would send it."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="photograph.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return head.encode() + image_bytes + f"\r\n--{BOUNDARY}--\r\n".encode()


class Client:
    """Asks one service, in bodies of one media type; each thread keeps a connection of its own."""

    def __init__(self, address: str, media_type: str = FORM, timeout_s: float = 120) -> None:
        self._host = urlsplit(address).netloc
        self._media_type = media_type
        self._timeout_s = timeout_s
        self._kept = local()

    def classify(self, body: bytes, media_type: str | None = None) -> float:
        """Send one picture; return the seconds until its whole answer was here. Any status but 200 is an error."""
        started = perf_counter()
        status, answer = self.ask(body, media_type)
        if status != http.client.OK:
            raise RuntimeError(f"{status}: {answer[:300]!r}")
        return perf_counter() - started

    def ask(self, body: bytes, media_type: str | None = None) -> tuple[int, bytes]:
        """Send one picture; return status and body of the answer. Raises OSError or HTTPException where none comes."""
        if not hasattr(self._kept, "connection"):
            self._kept.connection = http.client.HTTPConnection(self._host, timeout=self._timeout_s)
        try:
            headers = {"Content-Type": media_type or self._media_type}
            self._kept.connection.request("POST", "/v1/classify", body, headers)
            response = self._kept.connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            del self._kept.connection  # what comes next would find it in the middle of this
            raise

    def load(self, bodies: Sequence[bytes], clients: int, requests: int) -> tuple[float, list[float]]:
        """Let that many clients ask as fast as they are answered; return requests per second, and each one's time."""
        return self._load(bodies, clients, lambda number: number < requests)

    def load_for(self, seconds: float, bodies: Sequence[bytes], clients: int) -> tuple[float, list[float]]:
        """Do so until that much time has passed; what has been asked by then is waited for, and counts."""
        end = perf_counter() + seconds
        return self._load(bodies, clients, lambda _: perf_counter() < end)

    def _load(self, bodies: Sequence[bytes], clients: int, goes_on: Callable[[int], bool]) -> tuple[float, list[float]]:
        numbers = count()

        def ask(_client: int) -> Iterator[float]:
            while goes_on(number := next(numbers)):
                yield self.classify(bodies[number % len(bodies)])

        started = perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            times = [time for per_client in pool.map(lambda c: list(ask(c)), range(clients)) for time in per_client]
        return len(times) / (perf_counter() - started), times
