"""Class activation maps: exact, in the right place, and laid over the photograph."""

import keras
import numpy as np
import pytest
from PIL import Image

from shared.classifier.explain import explain, lay_over
from shared.classifier.images import decode
from shared.classifier.keras_classifier import KerasClassifier
from shared.classifier.labels import Label, imagenet_labels
from shared.classifier.predictions import Explanation, ModelVersion
from shared.classifier.preprocess import EFFICIENTNET_LITE0, INCEPTION_V3, Preprocessing, preprocess
from shared.errors import ExplanationUnsupportedError
from tests.conftest import SAMPLES


@pytest.fixture(scope="module")
def inception_v3():
    """InceptionV3 with random weights: whether a map is exact does not depend on them."""
    keras.utils.set_random_seed(299)
    model = keras.applications.InceptionV3(weights=None)
    return KerasClassifier(model, INCEPTION_V3, imagenet_labels(), ModelVersion("random", "0" * 64, "float32", "any"))


def photograph(name):
    return decode((SAMPLES / f"{name}.jpg").read_bytes()).rgb


@pytest.mark.parametrize("which", ["offline_classifier", "inception_v3"])
def test_the_maps_means_and_biases_are_the_logits_behind_the_probabilities(which, request):
    classifier = request.getfixturevalue(which)
    batch = preprocess(photograph("cat"), classifier.preprocessing)

    probabilities, features = classifier.predict_with_features(batch)
    logits = features[0].mean(axis=(0, 1)) @ classifier.class_weights + np.asarray(classifier._dense.bias)

    exponentials = np.exp(logits - logits.max())
    assert probabilities[0] == pytest.approx(exponentials / exponentials.sum(), abs=1e-5)
    for class_index in (0, int(probabilities[0].argmax())):
        explanation = explain(features[0], classifier.class_weights, class_index, classifier.preprocessing, (451, 300))
        bias = float(np.asarray(classifier._dense.bias)[class_index])
        assert np.mean(explanation.grid) + bias == pytest.approx(float(logits[class_index]), abs=1e-3)


def test_both_networks_explain_on_their_last_grid(offline_classifier, inception_v3):
    for classifier, cells in ((offline_classifier, 7), (inception_v3, 8)):
        batch = preprocess(photograph("cat"), classifier.preprocessing)
        _, features = classifier.predict_with_features(batch)
        explanation = explain(features[0], classifier.class_weights, 0, classifier.preprocessing, (451, 300))
        assert np.shape(explanation.grid) == (cells, cells)


def test_asking_for_features_does_not_change_the_answer(offline_classifier):
    batch = preprocess(photograph("coffee"), EFFICIENTNET_LITE0)

    assert offline_classifier.predict(batch) == pytest.approx(
        offline_classifier.predict_with_features(batch)[0], abs=1e-7
    )


@pytest.mark.parametrize(("left", "right"), [("coffee", "rocket"), ("rocket", "coffee")])
def test_what_speaks_for_a_class_is_where_the_thing_is(offline_classifier, left, right):
    espresso = 967
    both = Image.new("RGB", (448, 224))
    for at, name in enumerate((left, right)):
        both.paste(photograph(name).resize((224, 224)), (at * 224, 0))
    # Both halves are seen: the picture is squeezed to the square that the crop leaves whole.
    batch = preprocess(both.resize((256, 256)), EFFICIENTNET_LITE0)

    _, features = offline_classifier.predict_with_features(batch)
    grid = np.array(
        explain(features[0], offline_classifier.class_weights, espresso, EFFICIENTNET_LITE0, (256, 256)).grid
    )

    halves = {left: grid[:, :3].mean(), right: grid[:, -3:].mean()}
    assert halves["coffee"] > halves["rocket"]


def test_the_region_is_what_the_model_saw():
    features, weights = np.ones((7, 7, 2), np.float32), np.ones((2, 3), np.float32)

    cropped = explain(features, weights, 0, EFFICIENTNET_LITE0, (1024, 512))
    stretched = explain(features, weights, 0, INCEPTION_V3, (1024, 512))

    assert cropped.region == pytest.approx((0.28125, 0.0625, 0.71875, 0.9375))
    assert stretched.region == (0, 0, 1, 1)


def test_the_heat_map_glows_where_the_grid_is_high_and_leaves_the_rest():
    grey = Image.new("RGB", (100, 100), (90, 90, 90))
    grid = tuple(tuple(1.0 if (row, column) == (0, 1) else 0.0 for column in range(4)) for row in range(4))

    explained = np.asarray(lay_over(grey, Explanation(0, grid, (0.5, 0.0, 1.0, 1.0))))

    assert (explained[:, :50] == 90).all(), "outside the region nothing changes"
    assert explained[12, 50 + 18].sum() > 3 * 90 + 150, "the hottest cell is bright"
    assert np.abs(explained[80:, 55:].astype(int) - 90).max() <= 8, "the coldest corner stays as it was"
    assert np.asarray(grey).max() == 90, "the photograph itself is not painted on"


def test_a_flat_map_changes_nothing():
    grey = Image.new("RGB", (30, 20), (90, 90, 90))

    assert lay_over(grey, Explanation(0, ((2.0, 2.0), (2.0, 2.0)), (0.0, 0.0, 1.0, 1.0))).tobytes() == grey.tobytes()


def test_a_network_with_dropout_before_its_dense_layer_can_be_explained():
    pixels = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3)(pixels)
    x = keras.layers.Dropout(0.2)(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(pixels, keras.layers.Dense(2, activation="softmax")(x))

    classifier = KerasClassifier(
        model,
        Preprocessing(16, 16, "stretch", "bilinear", INCEPTION_V3.scaling),
        (Label("a"), Label("b")),
        ModelVersion("small", "0" * 64, "float32", "any"),
    )

    assert classifier.class_weights.shape == (4, 2)


@pytest.mark.parametrize("where", ["before the dense layer", "after it", "quantised"])
def test_a_network_that_does_more_than_pool_and_weigh_is_not_said_to_be_explained(where):
    pixels = keras.Input((16, 16, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(pixels))
    x = keras.ops.tanh(x) if where == "before the dense layer" else x
    x = keras.layers.Dense(2, activation="softmax")(x)
    model = keras.Model(pixels, keras.ops.square(x) if where == "after it" else x)
    if where == "quantised":
        model.layers[-1].quantize("int8")
    size = Preprocessing(16, 16, "stretch", "bilinear", INCEPTION_V3.scaling)

    classifier = KerasClassifier(
        model, size, (Label("a"), Label("b")), ModelVersion("small", "0" * 64, "float32", "any")
    )

    with pytest.raises(ExplanationUnsupportedError):
        classifier.check_explainable()


def test_nothing_is_laid_over_a_picture_too_thin_to_see_it_on():
    thin = Image.new("RGB", (1000, 1), "red")

    assert (
        lay_over(thin, Explanation(0, ((0.0, 1.0), (1.0, 0.0)), (0.4995, 0.0, 0.4999, 1.0))).tobytes() == thin.tobytes()
    )
