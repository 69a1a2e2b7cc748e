"""What is measured: the models."""

import keras

from shared.classifier import efficientnet_lite0
from shared.classifier.keras_classifier import KerasClassifier
from shared.classifier.labels import imagenet_labels
from shared.classifier.predictions import ModelVersion
from shared.classifier.preprocess import EFFICIENTNET_LITE0, INCEPTION_V3, Preprocessing
from tests.benchmarks.photographs import SEED


def keras_models() -> dict[str, tuple[keras.Model, Preprocessing]]:
    """Both ImageNet models; InceptionV3 with random weights, which cost the same time and memory."""
    keras.utils.set_random_seed(SEED)
    return {
        "inception_v3": (keras.applications.InceptionV3(weights=None), INCEPTION_V3),
        "efficientnet_lite0": (efficientnet_lite0.build(efficientnet_lite0.packaged_weights()), EFFICIENTNET_LITE0),
    }


def classifier_of(model: keras.Model, preprocessing: Preprocessing) -> KerasClassifier:
    """Wrap a model that has ImageNet's classes as the steps do."""
    version = ModelVersion(model.name, "0" * 64, "float32", str(preprocessing))
    classifier = KerasClassifier(model, preprocessing, imagenet_labels(), version)
    classifier.warm_up()
    return classifier
