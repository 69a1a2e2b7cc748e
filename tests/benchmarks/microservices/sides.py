"""What is compared, and how: every side has its turn in each round, while the others are stopped."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

import numpy as np
import psutil

from tests.benchmarks.figures import p99
from tests.benchmarks.load import FORM, Client, multipart
from tests.benchmarks.peers.pipeline import Pipeline

JPEG = "image/jpeg"


class Run(NamedTuple):
    """One turn of one side: images per second, each one's seconds, and seconds of processor per picture."""

    images_per_s: float
    times: Sequence[float]
    processor_s: float


@dataclass(frozen=True)
class Server:
    """A running service, and the processes that do its work. Peers are stopped between turns, as some of them poll."""

    name: str
    address: str
    media_type: str
    processes: Sequence[psutil.Process] = ()
    rests: bool = True

    def bodies(self, photographs: Sequence[bytes]) -> list[bytes]:
        """Return the photographs as this service takes them."""
        return [multipart(one) for one in photographs] if self.media_type == FORM else list(photographs)

    def load(self, photographs: Sequence[bytes], clients: int, seconds: float) -> Run:
        """Let that many clients ask for so long."""
        client, bodies = Client(self.address, self.media_type), self.bodies(photographs)
        with self.awake():
            before = self._processor_s()
            images_per_s, times = client.load_for(seconds, bodies, clients)
            return Run(images_per_s, times, (self._processor_s() - before) / len(times))

    def stop(self) -> None:
        """Let it rest until its turn."""
        for one in self.processes if self.rests else ():
            one.suspend()

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Give it its turn."""
        for one in self.processes if self.rests else ():
            one.resume()
        try:
            yield
        finally:
            self.stop()

    def _processor_s(self) -> float:
        return sum(sum(one.cpu_times()[:2]) for one in self.processes)


def timed(answer: Callable[[int], int], seconds: float) -> Run:
    """Call a function with 0, 1, 2 ... for so long; it returns how many pictures it has answered."""
    times: list[float] = []
    pictures = 0
    started, processor = perf_counter(), process_time()
    while (now := perf_counter()) < started + seconds:
        pictures += answer(len(times))
        times.append(perf_counter() - now)
    return Run(pictures / (perf_counter() - started), times, (process_time() - processor) / pictures)


def bare(pipeline: Pipeline, photographs: Sequence[bytes], batch_size: int) -> Callable[[int], int]:
    """Return what asks the runtime alone, pictures ready."""
    batch = np.concatenate([pipeline.prepare(one) for one in photographs[:batch_size]])

    def predict(_turn: int) -> int:
        return len(pipeline.classifier.predict(batch))

    return predict


def serial(pipeline: Pipeline, photographs: Sequence[bytes], batch_size: int) -> Callable[[int], int]:
    """Return what decodes, preprocesses and predicts in this process, one batch after the other, without a server."""

    def classify(turn: int) -> int:
        chosen = [photographs[(turn * batch_size + place) % len(photographs)] for place in range(batch_size)]
        return len(pipeline.classifier.predict(np.concatenate([pipeline.prepare(one) for one in chosen])))

    return classify


def best(
    make: Callable[[int], Callable[[int], int]], sizes: Sequence[int] = (1, 4, 8)
) -> tuple[int, Callable[[int], int]]:
    """Return the size of batch that is fastest, and what asks with it."""
    made = {size: make(size) for size in sizes}
    runs = in_rounds({str(size): lambda one=one: timed(one, 0.6) for size, one in made.items()}, 3)
    size = max(sizes, key=lambda size: speed(runs[str(size)]))
    return size, made[size]


def in_rounds(sides: Mapping[str, Callable[[], Run]], rounds: int) -> dict[str, list[Run]]:
    """Give each side its turn in every round, each time another one first; one uncounted turn warms each up."""
    runs: dict[str, list[Run]] = {name: [] for name in sides}
    for turn in sides.values():
        turn()
    names = list(sides)
    for number in range(rounds):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            runs[name].append(sides[name]())
    return runs


def speed(runs: Sequence[Run]) -> float:
    """Return the median of the images per second."""
    return median(run.images_per_s for run in runs)


def ratio(ours: Sequence[Run], others: Sequence[Run]) -> float:
    """Return the median of ours / theirs, round by round."""
    return median(own.images_per_s / other.images_per_s for own, other in zip(ours, others, strict=True))


def slow(runs: Sequence[Run]) -> float:
    """Return the p99 over all turns, in seconds."""
    return p99([time for run in runs for time in run.times])


def processor_ms(runs: Sequence[Run]) -> float:
    """Return the median of the milliseconds of processor per picture; noise from elsewhere hardly touches it."""
    return median(run.processor_s for run in runs) * 1e3
