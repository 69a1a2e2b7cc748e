"""Folding batch normalisations changes how an answer is computed, and never the answer."""

import keras
import numpy as np
import pytest
from keras import layers

from shared.classifier.folding import fold_batch_norms

PICTURES = np.random.default_rng(1).normal(size=(2, 12, 12, 3)).astype(np.float32)


def norms_in(model):
    return [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


def with_random_statistics(model):
    """Give every batch normalisation something to do: fresh ones pass everything through."""
    random = np.random.default_rng(7)
    for norm in norms_in(model):
        norm.set_weights([random.uniform(0.5, 2, weight.shape) for weight in norm.get_weights()])
    return model


def convolution(use_bias=False, activation=None, **norm):
    pixels = keras.Input((12, 12, 3))
    x = layers.Conv2D(5, 3, strides=2, use_bias=use_bias, activation=activation, bias_initializer="uniform")(pixels)
    return with_random_statistics(keras.Model(pixels, layers.BatchNormalization(**norm)(x)))


@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize(
    "norm", [{}, {"scale": False}, {"center": False}, {"epsilon": 0.1}, {"scale": False, "center": False}]
)
def test_every_kind_of_norm_is_folded_into_its_convolution(use_bias, norm):
    model = convolution(use_bias, **norm)

    folded = fold_batch_norms(model)

    assert norms_in(folded) == []
    assert folded(PICTURES).numpy() == pytest.approx(model(PICTURES).numpy(), abs=1e-5)
    assert len(norms_in(model)) == 1, "the given model stays as it is"


def test_a_norm_after_an_activation_stays():
    model = convolution(activation="relu")

    assert fold_batch_norms(model) is model


def test_a_norm_stays_where_somebody_else_reads_the_convolution_too():
    pixels = keras.Input((12, 12, 3))
    x = layers.Conv2D(5, 3)(pixels)
    model = with_random_statistics(keras.Model(pixels, layers.add([layers.BatchNormalization()(x), x])))

    assert fold_batch_norms(model) is model


def test_a_norm_stays_where_the_convolution_is_an_output_too():
    pixels = keras.Input((12, 12, 3))
    x = layers.Conv2D(5, 3)(pixels)
    model = keras.Model(pixels, [layers.BatchNormalization()(x), x])

    assert fold_batch_norms(model) is model


def test_a_norm_that_follows_no_plain_convolution_stays_beside_one_that_is_folded():
    pixels = keras.Input((12, 12, 3))
    x = layers.BatchNormalization(name="first")(pixels)
    x = layers.BatchNormalization(name="folded")(layers.Conv2D(4, 3)(x))
    x = layers.BatchNormalization(name="depthwise")(layers.DepthwiseConv2D(3)(x))
    model = with_random_statistics(keras.Model(pixels, layers.Dense(2)(layers.Flatten()(x))))

    folded = fold_batch_norms(model)

    assert {norm.name for norm in norms_in(folded)} == {"first", "depthwise"}
    assert folded(PICTURES).numpy() == pytest.approx(model(PICTURES).numpy(), abs=1e-4)


def test_a_network_that_uses_a_layer_twice_is_left_alone():
    pixels = keras.Input((12, 12, 3))
    twice = layers.Conv2D(3, 3, padding="same")
    model = keras.Model(pixels, layers.BatchNormalization()(twice(twice(pixels))))

    assert fold_batch_norms(model) is model


def test_of_inception_v3_every_norm_is_folded():
    model = with_random_statistics(
        keras.applications.InceptionV3(weights=None, input_shape=(139, 139, 3), include_top=False)
    )
    pictures = np.random.default_rng(2).normal(size=(2, 139, 139, 3)).astype(np.float32)

    folded = fold_batch_norms(model)

    expected = model(pictures, training=False).numpy()
    assert len(norms_in(model)) == 94
    assert norms_in(folded) == []
    assert np.ptp(expected) > 0
    assert folded(pictures).numpy() == pytest.approx(expected, rel=1e-3, abs=1e-4 * float(np.abs(expected).max()))
