"""The classifier's own function, for those who run the model by other means."""

import keras
import numpy as np

from shared.classifier.keras_classifier import KerasClassifier
from shared.classifier.labels import Label
from shared.classifier.predictions import ModelVersion
from shared.classifier.preprocess import SCALINGS, Preprocessing

PREPROCESSING = Preprocessing(8, 8, "stretch", "bilinear", SCALINGS["zero_to_one"])
PICTURES = np.random.default_rng(3).integers(0, 256, (3, 8, 8, 3), np.uint8)


def classifier_of(pooling: keras.layers.Layer) -> KerasClassifier:
    pixels = keras.Input((8, 8, 3))
    features = keras.layers.Conv2D(4, 3)(pixels)
    model = keras.Model(pixels, keras.layers.Dense(2, activation="softmax")(pooling(features)))
    return KerasClassifier(model, PREPROCESSING, (Label("a"), Label("b")), ModelVersion("tiny", "0", "float32", "any"))


def test_it_gives_the_same_answers_and_features():
    classifier = classifier_of(keras.layers.GlobalAveragePooling2D())

    traced = [output.numpy() for output in classifier.traced()(PICTURES)]

    expected = classifier.predict_with_features(PICTURES)
    assert all(np.array_equal(one, other) for one, other in zip(traced, expected, strict=True))


def test_of_a_model_that_cannot_be_explained_it_gives_the_answers_alone():
    classifier = classifier_of(keras.layers.GlobalMaxPooling2D())

    (probabilities,) = classifier.traced()(PICTURES)

    assert np.array_equal(probabilities.numpy(), classifier.predict(PICTURES))
