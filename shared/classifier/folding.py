"""Fold batch normalisations into the convolutions before them: the same function, in fewer passes over memory.

At inference a batch normalisation is one factor and one summand for each channel (Ioffe and Szegedy, 2015), and so is
what a convolution's weights and bias can hold already.
"""

from collections import Counter
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

Floats = npt.NDArray[np.float32]


def factor_and_summand(
    gamma: Floats, beta: Floats, mean: Floats, variance: Floats, epsilon: float
) -> tuple[Floats, Floats]:
    """Return what a batch normalisation multiplies each channel by, and what it then adds; all of shape (channels,)."""
    factor = gamma / np.sqrt(variance + np.float32(epsilon))
    return factor, beta - mean * factor


def fold_batch_norms(model: keras.Model) -> keras.Model:
    """Return a model with the same answers, in which no plain convolution is followed by a batch normalisation.

    The given model stays as it is, and is returned itself where there is nothing to fold. Models within a model, and
    networks that use a layer twice, are left alone.
    """
    pairs = _foldable(model)
    if not pairs:
        return model
    norms = {norm.name for norm in pairs.values()}

    def clone(layer: Any) -> Any:  # noqa: ANN401 - Keras has no types
        if layer.name in norms:
            return _PassThrough(name=layer.name)
        bias = {"use_bias": True} if layer.name in pairs else {}
        return layer.__class__.from_config(layer.get_config() | bias)

    folded = keras.models.clone_model(model, clone_function=clone)
    for layer in model.layers:
        if layer.name in pairs:
            folded.get_layer(layer.name).set_weights(_folded_weights(layer, pairs[layer.name]))
        elif layer.weights and layer.name not in norms:
            folded.get_layer(layer.name).set_weights(layer.get_weights())
    return folded


class _PassThrough(layers.Layer):  # type: ignore[misc]
    """Takes the place of a batch normalisation, and the arguments that Keras calls one with."""

    def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Any:  # noqa: ANN401, ARG002
        return inputs


def _foldable(model: keras.Model) -> dict[str, Any]:
    """Return, by the name of the convolution before it, each batch normalisation that can be folded."""
    try:
        tensors = [tensor for layer in model.layers for tensor in keras.tree.flatten(layer.input)]
        readers = Counter(id(tensor) for tensor in [*tensors, *model.outputs])
        convolutions = {id(layer.output): layer for layer in model.layers if type(layer) is layers.Conv2D}
        norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
        pairs = [(convolutions[id(norm.input)], norm) for norm in norms if id(norm.input) in convolutions]
    except AttributeError:  # a layer that is used twice has no single input, and a model that is mere code has none
        return {}
    return {
        convolution.name: norm
        for convolution, norm in pairs
        if readers[id(norm.input)] == 1
        and convolution.activation is keras.activations.linear
        and norm.axis in {-1, len(norm.input.shape) - 1}
    }


def _folded_weights(convolution: Any, norm: Any) -> list[Floats]:  # noqa: ANN401
    kernel, *bias = convolution.get_weights()
    weights = dict(zip((variable.name for variable in norm.weights), norm.get_weights(), strict=True))
    mean, variance = weights["moving_mean"], weights["moving_variance"]
    gamma, beta = weights.get("gamma", np.ones_like(mean)), weights.get("beta", np.zeros_like(mean))
    factor, summand = factor_and_summand(gamma, beta, mean, variance, norm.epsilon)
    return [kernel * factor, summand + (bias[0] * factor if bias else 0)]
