"""One picture through the classifier, against `model.predict` on the same Keras model."""

from collections.abc import Iterator

import numpy as np

from tests.benchmarks.figures import Figure, in_turn
from tests.benchmarks.subjects import classifier_of, keras_models

ROUNDS = 40
BOUNDS = {"inception_v3": 2.3, "efficientnet_lite0": None}


def measure() -> Iterator[Figure]:
    """Yield how many times faster the compiled function is."""
    for name, (model, preprocessing) in keras_models().items():
        classifier = classifier_of(model, preprocessing)
        shape = (1, preprocessing.height, preprocessing.width, 3)
        batch = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        scaled = (batch - np.float32(127.5)) / np.float32(127.5)

        ours, keras_own, ratio = in_turn(
            lambda c=classifier, b=batch: c.predict(b), lambda m=model, s=scaled: m.predict(s, verbose=0), ROUNDS
        )

        what = f"{name}: model.predict / classifier.predict, one picture"
        yield Figure.at_least(BOUNDS[name], what, ratio, f"{keras_own * 1e3:.1f} ms against {ours * 1e3:.1f} ms")
