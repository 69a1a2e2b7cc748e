"""Which model answers: InceptionV3, the offline model, or a user's own; loaded, and named in every answer."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from shared.classifier.labels import imagenet_labels, read_labels
from shared.classifier.predictions import ModelVersion
from shared.classifier.preprocess import EFFICIENTNET_LITE0, INCEPTION_V3, SCALINGS, Preprocessing
from shared.errors import ModelOptionsError, WeightsUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras

    from shared.classifier.keras_classifier import KerasClassifier

# TensorFlow takes seconds to import. What needs it is imported inside the functions below, so that a process that only
# names models, checks options or decodes pictures never pays for it.

MODEL_NAMES = ("auto", "inception_v3", "efficientnet_lite0")
PRECISIONS = ("float32", "bfloat16")

_log = logging.getLogger(__name__)


def load(
    model: str = "auto",
    *,
    weights: str | None = None,
    labels: Path | None = None,
    scaling: str | None = None,
    precision: str = "float32",
) -> "KerasClassifier":
    """Load a classifier, which the caller then warms up.

    `model` is one of MODEL_NAMES or the path of a `.keras` file. "auto" is InceptionV3 where its weights are given,
    cached or can be fetched, and otherwise the offline model, which a warning in the log says. `weights` replaces a
    named model's published weights by a file or an http(s) address. A `.keras` file needs `labels` (a text file, one
    label a line) and `scaling` (a key of SCALINGS). `precision` is one of PRECISIONS.

    Raises ModelOptionsError, before anything slow, for options that do not go together, and the other kinds of
    ModelError for models that cannot be had.
    """
    if precision not in PRECISIONS:
        raise ModelOptionsError(f"There is no precision {precision!r}.", f"Choose one of {', '.join(PRECISIONS)}.")
    if model.endswith(".keras"):
        return _load_own(model, weights, labels, scaling, precision)
    if model not in MODEL_NAMES:
        raise ModelOptionsError(
            f"There is no model {model!r}.", f"Choose one of {', '.join(MODEL_NAMES)}, or give a .keras file."
        )
    if labels or scaling:
        raise ModelOptionsError(
            f"The model {model} brings its own labels and scaling.",
            "Leave them out, or give a .keras file as the model.",
        )
    if model == "efficientnet_lite0":
        return _load_efficientnet_lite0(weights, precision)
    try:
        return _load_inception_v3(weights, precision)
    except WeightsUnavailableError as error:
        if model == "inception_v3" or weights:
            raise
        _log.warning(
            "%s\nThe offline model, efficientnet_lite0, answers instead. To have InceptionV3, ask for inception_v3 by "
            "name: what to do is said then.",
            error.detail,
        )
        return _load_efficientnet_lite0(None, precision)


def _load_inception_v3(weights: str | None, precision: str) -> "KerasClassifier":
    from shared.classifier import inception_v3
    from shared.classifier.weights import given_weights, inception_v3_weights

    if weights is None:
        return _imagenet_classifier(inception_v3.build, inception_v3_weights(), INCEPTION_V3, precision)
    with given_weights(weights, inception_v3.WEIGHTS_SUFFIXES) as path:
        return _imagenet_classifier(inception_v3.build, path, INCEPTION_V3, precision)


def _load_efficientnet_lite0(weights: str | None, precision: str) -> "KerasClassifier":
    from shared.classifier import efficientnet_lite0
    from shared.classifier.weights import given_weights

    if weights is None:
        path = efficientnet_lite0.packaged_weights()
        return _imagenet_classifier(efficientnet_lite0.build, path, EFFICIENTNET_LITE0, precision)
    with given_weights(weights, efficientnet_lite0.WEIGHTS_SUFFIXES) as path:
        return _imagenet_classifier(efficientnet_lite0.build, path, EFFICIENTNET_LITE0, precision)


def _load_own(
    name: str, weights: str | None, labels: Path | None, scaling: str | None, precision: str
) -> "KerasClassifier":
    if weights or labels is None or scaling not in SCALINGS:
        raise ModelOptionsError(
            f"{Path(name).name} holds its weights, but neither its labels nor how its input is scaled.",
            f"Give no weights, a file of labels, and a scaling: one of {', '.join(SCALINGS)}.",
        )
    texts = read_labels(labels)

    from shared.classifier import own_model
    from shared.classifier.keras_classifier import KerasClassifier
    from shared.classifier.weights import existing_file

    path = existing_file(name)
    model = _in_precision(own_model.build(path), precision)
    preprocessing = own_model.preprocessing_of(model, SCALINGS[scaling])
    return KerasClassifier(model, preprocessing, texts, _version(path.stem, model, path, preprocessing))


def _imagenet_classifier(
    build: "Callable[[Path], keras.Model]", weights: Path, preprocessing: Preprocessing, precision: str
) -> "KerasClassifier":
    from shared.classifier.keras_classifier import KerasClassifier

    model = _in_precision(build(weights), precision)
    version = _version(model.name, model, weights, preprocessing)
    return KerasClassifier(model, preprocessing, imagenet_labels(), version)


def _in_precision(model: "keras.Model", precision: str) -> "keras.Model":
    from shared.classifier.precision import in_bfloat16

    return in_bfloat16(model) if precision == "bfloat16" else model


def _version(name: str, model: "keras.Model", weights: Path, preprocessing: Preprocessing) -> ModelVersion:
    from shared.classifier.weights import sha256_of

    precision = "+".join(sorted({layer.dtype_policy.name for layer in model.layers if layer.weights}))
    return ModelVersion(name, sha256_of(weights), precision, str(preprocessing))
