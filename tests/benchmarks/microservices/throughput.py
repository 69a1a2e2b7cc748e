"""Images per second with 8 and 32 clients, each side with the same artifact in the same precision."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.figures import Figure
from tests.benchmarks.microservices.artifacts import RANDOM, artifact
from tests.benchmarks.microservices.servers import peers, step3
from tests.benchmarks.microservices.sides import (
    Run,
    bare,
    best,
    in_rounds,
    processor_ms,
    ratio,
    serial,
    slow,
    speed,
    timed,
)
from tests.benchmarks.peers.pipeline import Pipeline
from tests.benchmarks.photographs import write_photographs

PRECISIONS, CLIENTS = ("float32", "int8"), (8, 32)
ROUNDS, SECONDS, PICTURES = 5, 4.0, 40
BARE, SERIAL = "runtime alone", "one process, no server"


def measure() -> Iterator[Figure]:
    """Yield how step 3 compares with its peers, with the runtime alone, and with a loop in one process."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        photographs = [path.read_bytes() for path in write_photographs(folder, PICTURES)]
        for precision in PRECISIONS:
            pipeline = Pipeline(artifact(RANDOM).folder, precision)
            bare_size, alone = best(lambda size, p=pipeline: bare(p, photographs, size))
            serial_size, loop = best(lambda size, p=pipeline: serial(p, photographs, size))
            with step3(folder, RANDOM, precision) as ours, peers(folder, RANDOM, precision) as others:
                for clients in CLIENTS:
                    sides = {
                        BARE: lambda one=alone: timed(one, SECONDS / 2),
                        SERIAL: lambda one=loop: timed(one, SECONDS / 2),
                        **{
                            server.name: lambda s=server, c=clients: s.load(photographs, c, SECONDS)
                            for server in (ours, *others)
                        },
                    }
                    for other in others:
                        other.stop()
                    runs = in_rounds(sides, ROUNDS)
                    subject = f"{RANDOM}, {precision}, {clients} clients: images/s of step 3"
                    sizes = {BARE: bare_size, SERIAL: serial_size}
                    yield from _compare(subject, precision, runs, sizes)


def _compare(subject: str, precision: str, runs: dict[str, list[Run]], sizes: dict[str, int]) -> Iterator[Figure]:
    ours = runs.pop("step 3")
    for name, other in runs.items():
        details = f"{speed(ours):.1f} against {speed(other):.1f}"
        if name in sizes:
            bound = {("float32", BARE): 0.88, ("int8", SERIAL): 0.85}.get((precision, name))
            yield Figure.at_least(
                bound, f"{subject} / {name}", ratio(ours, other), f"{details}, batches of {sizes[name]}"
            )
        else:
            details += f"; p99 {slow(ours) * 1e3:.0f} against {slow(other) * 1e3:.0f} ms"
            yield Figure.at_least(1, f"{subject} / {name}", ratio(ours, other), details)
    spent = ", ".join(f"{name} {processor_ms(other):.1f}" for name, other in runs.items())
    what = f"{subject.partition(':')[0]}: ms of processor that step 3 spends on a picture"
    yield Figure.at_most(None, what, processor_ms(ours), spent)
