"""The runtime ladder: images per second and memory of a process with one runtime, from `model.predict` to int8.

`python -m tests.benchmarks.microservices.ladder RUNTIME` is such a process: it prints what it found as JSON.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np
import psutil

from tests.app.serving import ROOT
from tests.benchmarks.microservices.artifacts import RANDOM, artifact, keras_file

RUNTIMES = {
    "Keras model.predict": "keras",
    "TensorFlow, compiled function": "tensorflow",
    "OpenVINO float32": "float32",
    "OpenVINO bfloat16": "bfloat16",
    "OpenVINO int8": "int8",
}
ROUNDS, SECONDS, BATCH_SIZE = 3, 2.0, 4


class Rung(NamedTuple):
    """Images per second one at a time and in batches, and resident memory at the end."""

    one_images_per_s: float
    batch_images_per_s: float
    resident_mb: float


def rungs() -> dict[str, Rung]:
    """Measure all, in turn; the median of each figure."""
    rounds = [{name: _measured(runtime) for name, runtime in RUNTIMES.items()} for _ in range(ROUNDS)]
    return {
        name: Rung(*(median(column) for column in zip(*(one[name] for one in rounds), strict=True)))
        for name in RUNTIMES
    }


def _measured(runtime: str) -> Rung:
    child = subprocess.run(
        [sys.executable, "-m", __name__, runtime],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    return Rung(*json.loads(child.stdout.splitlines()[-1]))


def _predict(runtime: str) -> Callable[[np.ndarray], object]:
    if runtime in {"keras", "tensorflow"}:
        import keras  # noqa: PLC0415 - only these two bring TensorFlow

        from tests.benchmarks.subjects import classifier_of  # noqa: PLC0415

        model = keras.models.load_model(keras_file())
        if runtime == "keras":
            return lambda batch: model.predict((batch - np.float32(127.5)) / np.float32(127.5), verbose=0)
        return classifier_of(model, artifact(RANDOM).preprocessing).predict
    from step3_microservices.worker.runtime import load_artifact  # noqa: PLC0415

    classifier = load_artifact(artifact(RANDOM), runtime)
    classifier.warm_up()
    return classifier.predict


def _images_per_s(predict: Callable[[np.ndarray], object], batch: np.ndarray) -> float:
    predict(batch)
    times = []
    end = perf_counter() + SECONDS
    while (started := perf_counter()) < end:
        predict(batch)
        times.append(perf_counter() - started)
    return len(batch) / median(times)


def main(runtime: str) -> None:
    predict = _predict(runtime)
    preprocessing = artifact(RANDOM).preprocessing
    shape = (BATCH_SIZE, preprocessing.height, preprocessing.width, 3)
    batch = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    speeds = [_images_per_s(predict, some) for some in (batch[:1], batch)]
    print(json.dumps([*speeds, psutil.Process().memory_info().rss / 1e6]))


if __name__ == "__main__":
    main(sys.argv[1])
