"""Say what pictures show: `python -m step1_script.classify cat.jpg`.

This file is the whole story, from encoded bytes to a printed answer: decode -> preprocess -> predict -> top_k -> print.
Where the bytes come from, how answers are written and which options there are is told in the files beside it.
"""

import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from shared.classifier.images import decode
from shared.classifier.labels import top_k
from shared.classifier.predictions import Answer, Explanation
from shared.classifier.preprocess import preprocess
from shared.errors import ExpectedError
from step1_script.exits import exit_code_of
from step1_script.heat_maps import reduced, save_heat_maps
from step1_script.loading import load_classifier
from step1_script.options import Options, read_options
from step1_script.pictures import Picture
from step1_script.prefetch import prefetch
from step1_script.reports import Report, open_report
from step1_script.sources import Source, find_sources

if TYPE_CHECKING:
    from shared.classifier.keras_classifier import KerasClassifier


def main() -> int:
    """Run the script; return 0 if all pictures were answered and 1 if some were not."""
    options = read_options()
    warnings.filterwarnings("ignore", module="PIL")  # what is wrong with a picture is told once, by its error
    classifier = load_classifier(options)
    with open_report(options) as report:
        classify(find_sources(options.sources), classifier, report, options)
    return 1 if report.failed else 0


def classify(sources: Iterable[Source], classifier: "KerasClassifier", report: Report, options: Options) -> None:
    """Answer all pictures in their order; while the model predicts one batch, threads prepare the next."""
    for batch in prefetch(lambda s: prepare(s, classifier, options), sources, batch_size=options.batch_size):
        answers = answer([picture for _, picture in batch if isinstance(picture, Picture)], classifier, options)
        for source, picture in batch:
            if isinstance(picture, Picture):
                report.answer(source.name, next(answers))
            else:
                report.failure(source.name, picture)


def prepare(source: Source, classifier: "KerasClassifier", options: Options) -> Picture | ExpectedError:
    """Read, decode and preprocess one picture; a bad one is reported in its place, and the rest go on."""
    try:
        image_bytes = source.read(options.max_bytes)
        started = perf_counter()
        image = decode(
            image_bytes,
            at_least=classifier.preprocessing.at_least,
            max_bytes=options.max_bytes,
            max_pixels=options.max_pixels,
        )
        decoded = perf_counter()
        batch = preprocess(image.rgb, classifier.preprocessing)
        timings_ms = {"decode": (decoded - started) * 1e3, "preprocess": (perf_counter() - decoded) * 1e3}
        return Picture(source.name, batch, image.facts, timings_ms, reduced(image.rgb) if options.explain else None)
    except ExpectedError as error:
        return error


def answer(pictures: Sequence[Picture], classifier: "KerasClassifier", options: Options) -> Iterator[Answer]:
    """Predict a batch of pictures in one call; of its time, each picture is told its share."""
    if not pictures:
        return
    batch = np.concatenate([picture.batch for picture in pictures])
    explanations: Iterable[Explanation | None] = [None] * len(pictures)
    started = perf_counter()
    if options.explain:
        probabilities, features = classifier.predict_with_features(batch)
        explanations = save_heat_maps(pictures, probabilities, features, classifier, options.explain)
    else:
        probabilities = classifier.predict(batch)
    predict_ms = (perf_counter() - started) * 1e3 / len(pictures)
    for picture, row, explanation in zip(pictures, probabilities, explanations, strict=True):
        predictions = top_k(row, classifier.labels, options.top_k)
        timings_ms = picture.timings_ms | {"predict": predict_ms}
        yield Answer(predictions, classifier.version, picture.facts, timings_ms, explanation)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
