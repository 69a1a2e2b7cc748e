"""From a Keras classifier to graphs that OpenVINO runs: as it is, and quantised to 8 bits."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from io import StringIO
from typing import Any

from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from shared.classifier.keras_classifier import KerasClassifier
from shared.classifier.preprocess import Batch

_CONVOLUTIONS = {"Convolution", "GroupConvolution"}
_FIRST_LAYERS = 3

# In the order in which they are tried. Large networks take the first; small ones lose too much in their first layers,
# where few channels carry everything, and in the last, whose outputs are compared with each other.
RECIPES = ("every layer", "all but the first and last layers")


def convert(classifier: KerasClassifier) -> Any:  # noqa: ANN401 - OpenVINO has no types
    """Return the classifier's own traced function as an OpenVINO model, its variables turned into constants.

    uint8 pictures of shape (n, height, width, 3) in; out come the probabilities and, where it is explainable, the last
    feature maps. By this way nothing is traced twice, and scaling is part of the graph.
    """
    frozen = convert_variables_to_constants_v2(classifier.traced())
    with _no_telemetry():
        return import_module("openvino.tools.ovc").convert_model(frozen.graph)


def quantise(model: Any, inputs: Sequence[Batch], recipe: str) -> Any:  # noqa: ANN401
    """Return a copy that computes in int8, by ranges found on these inputs, each a batch of one; see RECIPES.

    Nagel et al., "A White Paper on Neural Network Quantization" (2021), tells what post-training quantisation does.
    """
    with _no_telemetry():
        nncf = import_module("nncf")
    logging.getLogger("nncf").setLevel(logging.ERROR)  # its own call also turns down handlers that are not its own
    options: dict[str, Any] = {}
    if recipe != RECIPES[0]:
        options["preset"] = nncf.QuantizationPreset.MIXED  # activations that are never negative use all 256 values
        options["ignored_scope"] = nncf.IgnoredScope(names=_first_and_last(model), validate=False)
    with redirect_stdout(StringIO()):  # its progress bars
        return nncf.quantize(model, nncf.Dataset([*inputs]), subset_size=len(inputs), **options)


def _first_and_last(model: Any) -> list[str]:  # noqa: ANN401
    layers = [(node.get_type_name(), node.get_friendly_name()) for node in model.get_ordered_ops()]
    convolutions = [name for kind, name in layers if kind in _CONVOLUTIONS]
    return convolutions[:_FIRST_LAYERS] + [name for kind, name in layers if kind == "MatMul"]


@contextmanager
def _no_telemetry() -> Iterator[None]:
    """Keep OpenVINO's tools from reporting to its makers, which they do unless told otherwise."""
    module = "openvino_telemetry"
    if sys.modules.get(module) is not None:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment] # what Python documents for modules not to be found
    try:
        yield
    finally:
        sys.modules.pop(module, None)
