"""200 photographs of 640x480 through step 1, against the bare compiled model on ready-made batches."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from shared.classifier.images import decode
from shared.classifier.keras_classifier import KerasClassifier
from shared.classifier.preprocess import preprocess
from step1_script.classify import classify
from step1_script.options import read_options
from step1_script.reports import open_report
from step1_script.sources import find_sources
from tests.benchmarks.figures import Figure, in_turn
from tests.benchmarks.photographs import write_photographs
from tests.benchmarks.subjects import classifier_of, keras_models

ROUNDS = 7
# The offline model needs so little time that decoding the picture is a fifth of the work for the same processors:
# there is no bound that waiting less could keep.
BOUNDS = {"inception_v3": 0.9, "efficientnet_lite0": None}


def measure() -> Iterator[Figure]:
    """Yield which part of the model's own speed is left once reading, decoding and writing come with it."""
    with TemporaryDirectory() as folder:
        paths = write_photographs(Path(folder))
        for name, (model, preprocessing) in keras_models().items():
            yield _compare(name, classifier_of(model, preprocessing), paths, Path(folder))


def _compare(name: str, classifier: KerasClassifier, paths: list[Path], folder: Path) -> Figure:
    options = read_options([str(folder), "--format", "jsonl", "--output", os.devnull])
    ready = np.concatenate([preprocess(decode(path.read_bytes()).rgb, classifier.preprocessing) for path in paths])
    batches = [ready[at : at + options.batch_size] for at in range(0, len(ready), options.batch_size)]

    def step1() -> None:
        with open_report(options) as report:
            classify(find_sources(options.sources), classifier, report, options)
        assert report.answered == len(paths)

    def bare() -> None:
        for batch in batches:
            classifier.predict(batch)

    whole, model, ratio = in_turn(step1, bare, ROUNDS)
    speeds = f"{len(paths) / whole:.1f} against {len(paths) / model:.1f} images/s, batches of {options.batch_size}"
    return Figure.at_least(BOUNDS[name], f"{name}: images/s of step 1 / bare model", ratio, speeds)
