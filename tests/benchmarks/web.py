"""Step 2 over HTTP: against the same four stages called in process, and against the web application of a tutorial.

The load client shares the two cores with what it measures, as it does for both sides of each ratio.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil

from shared.classifier.images import decode
from shared.classifier.keras_classifier import KerasClassifier
from shared.classifier.labels import imagenet_labels, top_k
from shared.classifier.preprocess import Preprocessing, preprocess
from tests.app.serving import Served, free_port, serving, wait_until_answered
from tests.benchmarks.figures import Figure, in_turn
from tests.benchmarks.load import Client, multipart
from tests.benchmarks.photographs import write_photographs
from tests.benchmarks.subjects import classifier_of, keras_models

ROUNDS, PICTURES = 5, 40


@dataclass(frozen=True)
class Subject:
    """A model as it is served, and how many times the tutorial's images/s it is held to, with 1 and 8 clients."""

    model: str
    precision: str
    alone: float
    eight: float

    def __str__(self) -> str:
        return f"{self.model}, {self.precision}"


SUBJECTS = (
    Subject("inception_v3", "float32", 3, 2),
    Subject("inception_v3", "bfloat16", 3, 2),
    Subject("efficientnet_lite0", "float32", 3, 3),
)


def measure() -> Iterator[Figure]:
    """Yield what the web costs and what it gains."""
    models = keras_models()
    with TemporaryDirectory() as name:
        folder = Path(name)
        photographs = [path.read_bytes() for path in write_photographs(folder, PICTURES)]
        for subject in SUBJECTS:
            model, preprocessing = models[subject.model]
            file = folder / f"{subject.model}.keras"
            model.save(file)
            with _step2(subject, file, preprocessing, folder) as served, _tutorial(file, preprocessing) as tutorial:
                yield from _compare(subject, Client(served.address), Client(tutorial), photographs)
                if subject == SUBJECTS[0]:
                    yield _added(Client(served.address), photographs, classifier_of(model, preprocessing))
                (process,) = psutil.Process(served.process.pid).children()
                resident_mb = process.memory_info().rss / 1e6
                yield Figure.at_most(None, f"{subject}: resident memory of a web process, MB", resident_mb, "in use")


def _compare(subject: Subject, ours: Client, tutorial: Client, photographs: list[bytes]) -> Iterator[Figure]:
    bodies = [multipart(photograph) for photograph in photographs]
    for client in (ours, tutorial):
        client.load(bodies, 8, 16)  # uncounted: both have then seen everything once
    for clients, bound in ((1, subject.alone), (8, subject.eight)):
        rounds = [
            (ours.load(bodies, clients, PICTURES), tutorial.load(bodies, clients, PICTURES)) for _ in range(ROUNDS)
        ]
        ratio = median(own / other for (own, _), (other, _) in rounds)
        speeds = [median(speed for speed, _ in side) for side in zip(*rounds, strict=True)]
        what = f"{subject}: images/s of step 2 / Flask + model.predict, {clients} client{'s' * (clients > 1)}"
        yield Figure.at_least(bound, what, ratio, f"{speeds[0]:.1f} against {speeds[1]:.1f}")
        if clients == 1:
            times = [time for (_, own), _ in rounds for time in own]
            spread = max(times) / median(times)
            details = f"{max(times) * 1e3:.0f} against {median(times) * 1e3:.0f} ms, {len(times)} requests"
            yield Figure.at_most(3, f"{subject}: slowest request of step 2 / median, one client", spread, details)


def _added(client: Client, photographs: list[bytes], classifier: KerasClassifier) -> Figure:
    """Compare a request with its four stages; the picture is the body, as the page and our own client send it."""
    turn = {"web": 0, "process": 0}

    def web() -> None:
        turn["web"] += 1
        client.classify(photographs[turn["web"] % len(photographs)], "image/jpeg")

    def process() -> None:
        turn["process"] += 1
        image = decode(photographs[turn["process"] % len(photographs)], at_least=classifier.preprocessing.at_least)
        top_k(classifier.predict(preprocess(image.rgb, classifier.preprocessing))[0], classifier.labels, 5)

    over_http, in_process, _ = in_turn(web, process, 4 * PICTURES)
    what = f"{SUBJECTS[0]}: ms that step 2 adds to decode + preprocess + predict + top_k, one client"
    details = f"{over_http * 1e3:.1f} against {in_process * 1e3:.1f} ms"
    return Figure.at_most(3, what, (over_http - in_process) * 1e3, details)


@contextmanager
def _step2(subject: Subject, file: Path, preprocessing: Preprocessing, folder: Path) -> Iterator[Served]:
    labels = folder / "labels.txt"
    labels.write_text("\n".join(f"{label.text} {number}" for number, label in enumerate(imagenet_labels())))
    settings = {"MODEL": str(file), "LABELS": str(labels), "SCALING": preprocessing.scaling.name}
    with serving("step2_webapp.serve", folder, **settings, PRECISION=subject.precision) as served:
        yield served


@contextmanager
def _tutorial(file: Path, preprocessing: Preprocessing) -> Iterator[str]:
    port = free_port()
    arguments = [str(file), preprocessing.scaling.name, str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.tutorial", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_answered(f"http://127.0.0.1:{port}/readyz", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
