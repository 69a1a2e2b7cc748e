"""What a server adds to decode + preprocess + predict + top_k in process, with one client; and a cached picture."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.benchmarks.figures import Figure, p99, pairs_in_turn
from tests.benchmarks.load import Client
from tests.benchmarks.microservices.artifacts import OFFLINE, RANDOM, artifact
from tests.benchmarks.microservices.servers import peers, step3
from tests.benchmarks.microservices.sides import Server
from tests.benchmarks.peers.pipeline import Pipeline
from tests.benchmarks.photographs import write_photographs

SUBJECTS = ((RANDOM, "int8"), (RANDOM, "float32"), (OFFLINE, "auto"))
ROUNDS, PEERS_ROUNDS, CALLS, PICTURES = 40, 10, 10, 40


def measure() -> Iterator[Figure]:
    """Yield the milliseconds."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        photographs = [path.read_bytes() for path in write_photographs(folder, PICTURES)]
        for model, precision in SUBJECTS:
            pipeline = Pipeline(artifact(model).folder, precision)
            with step3(folder, model, precision) as ours:
                yield from _added(ours, f"{model}, {precision}", pipeline, photographs, ROUNDS, bounds=(3, 6))
            with peers(folder, model, precision) as others:
                for other in others:
                    yield from _added(other, f"{model}, {precision}", pipeline, photographs, PEERS_ROUNDS)
        with step3(folder, RANDOM, "int8", ANSWER_TTL_S="300") as ours:
            yield _cached(ours, photographs)


def _added(  # noqa: PLR0913, PLR0917
    server: Server,
    subject: str,
    pipeline: Pipeline,
    photographs: Sequence[bytes],
    rounds: int,
    bounds: tuple[float | None, float | None] = (None, None),
) -> Iterator[Figure]:
    client = Client(server.address, server.media_type)
    bodies, pictures = cycle(server.bodies(photographs)), cycle(photographs)

    def over_http() -> None:
        client.classify(next(bodies))

    def in_process() -> None:
        pipeline.answer(pipeline.classifier.predict(pipeline.prepare(next(pictures)))[0])

    with server.awake():
        client.load(server.bodies(photographs), 1, PICTURES)
        pairs = pairs_in_turn(over_http, in_process, rounds, CALLS)
    for (name, of), bound in zip((("median", median), ("p99", p99)), bounds, strict=True):
        web, alone = (of(times) * 1e3 for times in zip(*pairs, strict=True))
        what = f"{subject}: ms that {server.name} adds to the four stages in process, one client, {name}"
        yield Figure.at_most(bound, what, web - alone, f"{web:.1f} against {alone:.1f} ms, {len(pairs)} requests")


def _cached(server: Server, photographs: Sequence[bytes]) -> Figure:
    client = Client(server.address, server.media_type)
    client.load(photographs, 1, len(photographs))
    _, times = client.load(photographs, 1, ROUNDS * CALLS)
    details = f"p99 {p99(times) * 1e3:.1f} ms, {len(times)} requests"
    return Figure.at_most(3, "a picture that was answered before: ms end to end, median", median(times) * 1e3, details)
