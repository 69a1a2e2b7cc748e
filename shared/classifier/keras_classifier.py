"""A loaded model behind one interface: uint8 pictures in, probabilities out, by a compiled function."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from shared.classifier.folding import fold_batch_norms
from shared.classifier.labels import Label, check_probabilities
from shared.classifier.predictions import ModelVersion
from shared.classifier.preprocess import Batch, Preprocessing
from shared.errors import ExplanationUnsupportedError, LabelsMismatchError

Floats = npt.NDArray[np.float32]


class KerasClassifier:
    """A Keras model with everything that belongs to its answers: labels, preprocessing and version."""

    def __init__(
        self, model: keras.Model, preprocessing: Preprocessing, labels: Sequence[Label], version: ModelVersion
    ) -> None:
        """Wrap a model whose output is (n, classes) probabilities, the classes in the order of `labels`.

        Raises LabelsMismatchError where there are more or fewer labels than classes.
        """
        if model.output_shape != (None, len(labels)):
            raise LabelsMismatchError(
                f"The model answers with shape {model.output_shape}, and there are {len(labels)} labels.",
                "Give one label for each class, in the order of the model's outputs.",
            )
        self.preprocessing = preprocessing
        self.labels = labels
        self.version = version
        folded = fold_batch_norms(model)
        self._dense, features = _explainable_end(folded)
        # One picture at a time pays for each look-up of the trace, and for feature maps that nobody asked for: so this
        # is the trace itself, and the second function is traced when it is first called.
        self._run = _compile(folded, folded.outputs[:1], preprocessing).get_concrete_function()
        self._run_with_features: Any = None
        if self._dense is not None:
            self._run_with_features = _compile(folded, [folded.outputs[0], features], preprocessing)

    def warm_up(self, *, with_features: bool = False) -> None:
        """Answer one grey picture, so that no real one waits for what only the first call does.

        `with_features` does the same for explanations, where the model allows them. Raises ModelOutputError where the
        answer is not made of probabilities.
        """
        grey = np.full((1, self.preprocessing.height, self.preprocessing.width, 3), 128, np.uint8)
        probabilities = self.predict(grey)
        if with_features and self._dense is not None:
            self.predict_with_features(grey)
        check_probabilities(probabilities)

    def predict(self, batch: Batch) -> Floats:
        """Return probabilities of shape (n, classes) for n preprocessed pictures; n may differ from call to call."""
        return self._run(tf.constant(batch))[0].numpy()  # type: ignore[no-any-return]

    def predict_with_features(self, batch: Batch) -> tuple[Floats, Floats]:
        """Return the probabilities and, of the same pass, the last feature maps, shape (n, rows, columns, channels).

        Raises ExplanationUnsupportedError like `check_explainable`.
        """
        self.check_explainable()
        probabilities, features = self._run_with_features(tf.constant(batch))
        return probabilities.numpy(), features.numpy()

    def traced(self) -> Any:  # noqa: ANN401 - TensorFlow has no types
        """Return the traced function behind the answers, for those who run the model by other means.

        uint8 pictures of shape (n, height, width, 3) in; out come the probabilities and, where the model is
        explainable, the last feature maps.
        """
        return self._run if self._dense is None else self._run_with_features.get_concrete_function()

    @cached_property
    def class_weights(self) -> Floats:
        """What each feature map says for each class: the dense layer's weights, shape (channels, classes)."""
        self.check_explainable()
        return np.asarray(self._dense.kernel)

    def check_explainable(self) -> None:
        """Raise ExplanationUnsupportedError where the network does not end as class activation maps need it."""
        if self._dense is None:
            raise ExplanationUnsupportedError


def _compile(model: keras.Model, outputs: list[Any], preprocessing: Preprocessing) -> Any:  # noqa: ANN401
    """Return the compiled function from a uint8 batch to a list of the model's tensors.

    `model.predict` sets up a data pipeline at each call; a function traced once, for any number of pictures of this
    size, does nothing but the arithmetic.
    """
    network = keras.Model(model.inputs, outputs)
    mean = np.asarray(preprocessing.scaling.mean, np.float32)
    deviation = np.asarray(preprocessing.scaling.deviation, np.float32)
    pictures = tf.TensorSpec((None, preprocessing.height, preprocessing.width, 3), tf.uint8)

    def run(batch: Any) -> Any:  # noqa: ANN401 - TensorFlow has no types
        results = keras.tree.flatten(network((tf.cast(batch, tf.float32) - mean) / deviation, training=False))
        return [tf.cast(result, tf.float32) for result in results]

    return tf.function(run, input_signature=[pictures])


def _explainable_end(model: keras.Model) -> tuple[Any, Any]:
    """Return the dense layer and the feature maps of a network that ends in pooling, (dropout,) and that dense layer.

    Their tensors are followed, not their order in a list: between two layers there may be an operation that is none.
    """
    try:
        givers = {id(layer.output): layer for layer in model.layers}
        dense = givers.get(id(model.outputs[0]))
        if not isinstance(dense, keras.layers.Dense) or dense.quantization_mode is not None:
            return None, None
        below = givers.get(id(dense.input))
        while isinstance(below, keras.layers.Dropout):
            below = givers.get(id(below.input))
    except AttributeError:  # a layer that is used twice has no single input and output
        return None, None
    return (dense, below.input) if isinstance(below, keras.layers.GlobalAveragePooling2D) else (None, None)
