"""Load for reliability runs: pictures that nobody has seen before, and clients that never pause."""

import io
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import requests
from PIL import Image

SEED = 7
_numbers = itertools.count()


def new_picture(number: int | None = None) -> bytes:
    """Return a JPEG of 320x240 that is like no other; the same number gives the same one."""
    random = np.random.default_rng((SEED, next(_numbers) if number is None else number + 10**6))
    small = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(small).resize((320, 240), Image.Resampling.BICUBIC).save(file, "JPEG", quality=85)
    return file.getvalue()


@dataclass
class Outcomes:
    """What clients were told: how often each status came, and how long it took."""

    statuses: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def slowest(self, status: int) -> float:
        return max((s for code, s in zip(self.statuses, self.seconds, strict=True) if code == status), default=0)


def classify_once(address: str, outcomes: Outcomes, timeout_s: float = 60) -> None:
    """Send one picture on a connection of its own."""
    started = time.monotonic()
    try:
        response = requests.post(f"{address}/v1/classify", data=new_picture(), timeout=timeout_s)
    except requests.RequestException as error:
        outcomes.errors.append(repr(error))
        return
    outcomes.seconds.append(time.monotonic() - started)
    outcomes.statuses.append(response.status_code)


@contextmanager
def clients(count: int, ask: Callable[[Outcomes], None]) -> Iterator[Outcomes]:
    """Let that many clients ask, again and again, as long as the block lasts."""
    outcomes, stop = Outcomes(), threading.Event()

    def client() -> None:
        while not stop.is_set():
            ask(outcomes)

    with ThreadPoolExecutor(count) as pool:
        running = [pool.submit(client) for _ in range(count)]
        try:
            yield outcomes
        finally:
            stop.set()
            for one in running:
                one.result()
