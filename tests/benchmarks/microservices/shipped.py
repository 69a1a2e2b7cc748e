"""Step 3 as it is shipped, in the precision it chooses, against what its peers and a tutorial do with float32."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.figures import Figure
from tests.benchmarks.microservices.artifacts import RANDOM
from tests.benchmarks.microservices.servers import peers, step3, tutorial
from tests.benchmarks.microservices.sides import Run, in_rounds, ratio, slow, speed
from tests.benchmarks.photographs import write_photographs

CLIENTS, ROUNDS, SECONDS, PICTURES = 8, 6, 4.0, 40


def measure() -> Iterator[Figure]:
    """Yield how many times faster it is; its weights are random, so int8 was let out without a look at its answers."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        photographs = [path.read_bytes() for path in write_photographs(folder, PICTURES)]
        with step3(folder, RANDOM) as ours, peers(folder, RANDOM, "float32") as others, tutorial(folder) as naive:
            sides = (ours, *others, naive)
            for side in sides:
                side.stop()
            runs = in_rounds(
                {side.name: lambda s=side: s.load(photographs, CLIENTS, SECONDS) for side in sides}, ROUNDS
            )
        yield from _compare(runs)


def _compare(runs: dict[str, list[Run]]) -> Iterator[Figure]:
    ours, naive = runs.pop("step 3"), runs.pop("tutorial")
    subject = f"{RANDOM} (random weights, so int8 unchecked), {CLIENTS} clients"
    if runs:
        fastest = max(runs, key=lambda name: speed(runs[name]))
        steadiest = min(runs, key=lambda name: slow(runs[name]))
        what = f"{subject}: images/s of step 3 as shipped / {fastest} in float32"
        details = f"{speed(ours):.1f} against {speed(runs[fastest]):.1f}"
        yield Figure.at_least(3, what, ratio(ours, runs[fastest]), details)
        what = f"{subject}: p99 of step 3 as shipped / {steadiest} in float32"
        details = f"{slow(ours) * 1e3:.0f} against {slow(runs[steadiest]) * 1e3:.0f} ms"
        yield Figure.at_most(1 / 3, what, slow(ours) / slow(runs[steadiest]), details)
    what = f"{subject}: images/s of step 3 as shipped / Flask + model.predict"
    yield Figure.at_least(8, what, ratio(ours, naive), f"{speed(ours):.1f} against {speed(naive):.1f}")
