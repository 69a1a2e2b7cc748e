"""What is measured: the models, and photographs of the size that a browser sends."""

from pathlib import Path

import keras
import numpy as np
from PIL import Image

from shared.classifier import efficientnet_lite0
from shared.classifier.images import decode
from shared.classifier.keras_classifier import KerasClassifier
from shared.classifier.labels import imagenet_labels
from shared.classifier.predictions import ModelVersion
from shared.classifier.preprocess import EFFICIENTNET_LITE0, INCEPTION_V3, Preprocessing

SAMPLES = Path(__file__).parents[2] / "shared" / "samples"
SEED = 20


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


def write_photographs(folder: Path, count: int = 200) -> list[Path]:
    """Write JPEGs of 640x480 at quality 90: random parts of the sample photographs, the same in every run."""
    random = np.random.default_rng(SEED)
    photographs = [decode(path.read_bytes()).rgb for path in sorted(SAMPLES.glob("*.jpg"))]
    paths = []
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        width = random.uniform(0.6, 0.9) * min(photograph.width, photograph.height * 4 / 3)
        left = random.uniform(0, photograph.width - width)
        top = random.uniform(0, photograph.height - width * 3 / 4)
        part = photograph.resize((640, 480), Image.Resampling.BICUBIC, (left, top, left + width, top + width * 3 / 4))
        paths.append(folder / f"{number:03}.jpg")
        part.save(paths[-1], quality=90)
    return paths
