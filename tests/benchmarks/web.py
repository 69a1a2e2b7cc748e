"""Step 2 over HTTP: against the same four stages called in process, and against the web application of a tutorial.

The load client shares the two cores with what it measures, as it does for both sides of each ratio.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from shared.classifier.images import decode
from shared.classifier.keras_classifier import KerasClassifier
from shared.classifier.labels import imagenet_labels, top_k
from shared.classifier.preprocess import preprocess
from tests.app.serving import free_port, serving, wait_until_answered
from tests.benchmarks.figures import Figure, in_turn
from tests.benchmarks.load import Client, multipart
from tests.benchmarks.subjects import classifier_of, keras_models, write_photographs

ROUNDS, PICTURES = 5, 40


@dataclass(frozen=True)
class Bounds:
    """What a model is held to: times the tutorial's images/s, with one client and with eight."""

    alone: float
    eight: float


BOUNDS = {"inception_v3": Bounds(3, 2), "efficientnet_lite0": Bounds(3, 3)}


def measure() -> Iterator[Figure]:
    """Yield, for both models, what the web costs and what it gains."""
    with TemporaryDirectory() as folder:
        paths = write_photographs(Path(folder), PICTURES)
        photographs = [path.read_bytes() for path in paths]
        for name, (model, preprocessing) in keras_models().items():
            file, labels = Path(folder, f"{name}.keras"), Path(folder, "labels.txt")
            model.save(file)
            labels.write_text("\n".join(f"{label.text} {number}" for number, label in enumerate(imagenet_labels())))
            settings = {"MODEL": str(file), "LABELS": str(labels), "SCALING": preprocessing.scaling.name}
            with ExitStack() as stack:
                served = stack.enter_context(serving("step2_webapp.serve", Path(folder), **settings))
                if name == "inception_v3":
                    yield _added(name, Client(served.address), photographs, classifier_of(model, preprocessing))
                tutorial = stack.enter_context(_tutorial(file, preprocessing.scaling.name))
                yield from _compare(name, Client(served.address), Client(tutorial), photographs)


def _added(name: str, client: Client, photographs: list[bytes], classifier: KerasClassifier) -> Figure:
    bodies = [multipart(photograph) for photograph in photographs]
    turn = {"web": 0, "process": 0}

    def web() -> None:
        turn["web"] += 1
        client.classify(bodies[turn["web"] % len(bodies)])

    def process() -> None:
        turn["process"] += 1
        image = decode(photographs[turn["process"] % len(photographs)], at_least=classifier.preprocessing.at_least)
        top_k(classifier.predict(preprocess(image.rgb, classifier.preprocessing))[0], classifier.labels, 5)

    over_http, in_process, _ = in_turn(web, process, 4 * PICTURES)
    details = f"{over_http * 1e3:.1f} against {in_process * 1e3:.1f} ms"
    what = f"{name}: ms that step 2 adds to decode + preprocess + predict + top_k, one client"
    return Figure.at_most(3, what, (over_http - in_process) * 1e3, details)


def _compare(name: str, ours: Client, tutorial: Client, photographs: list[bytes]) -> Iterator[Figure]:
    bodies = [multipart(photograph) for photograph in photographs]
    for client in (ours, tutorial):
        client.load(bodies, 8, 16)  # uncounted: both have then seen everything once
    for clients, bound in ((1, BOUNDS[name].alone), (8, BOUNDS[name].eight)):
        rounds = [
            (ours.load(bodies, clients, PICTURES), tutorial.load(bodies, clients, PICTURES)) for _ in range(ROUNDS)
        ]
        ratio = median(own / other for (own, _), (other, _) in rounds)
        speeds = [median(speed for speed, _ in side) for side in zip(*rounds, strict=True)]
        what = f"{name}: images/s of step 2 / Flask + model.predict, {clients} client{'s' * (clients > 1)}"
        yield Figure.at_least(bound, what, ratio, f"{speeds[0]:.1f} against {speeds[1]:.1f}")
        if clients == 1:
            times = [time for (_, own), _ in rounds for time in own]
            spread = max(times) / median(times)
            details = f"{max(times) * 1e3:.0f} against {median(times) * 1e3:.0f} ms, {len(times)} requests"
            yield Figure.at_most(3, f"{name}: slowest request of step 2 / median, one client", spread, details)


@contextmanager
def _tutorial(file: Path, scaling: str) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.tutorial", str(file), scaling, str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_answered(f"http://127.0.0.1:{port}/readyz", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
