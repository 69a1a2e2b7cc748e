"""The four stages, as both peers call them: our own code, so that only the serving around it differs."""

from pathlib import Path
from typing import Any

import numpy as np

from shared.classifier.images import decode
from shared.classifier.labels import top_k
from shared.classifier.preprocess import preprocess
from step3_microservices.worker.artifacts import read_artifact
from step3_microservices.worker.runtime import load_artifact


class Preparation:
    """What happens to a picture before the model."""

    def __init__(self, folder: Path) -> None:
        self.artifact = read_artifact(folder)

    def prepare(self, image_bytes: bytes) -> np.ndarray:
        preprocessing = self.artifact.preprocessing
        return preprocess(decode(image_bytes, at_least=preprocessing.at_least).rgb, preprocessing)


class Pipeline(Preparation):
    """The model too, and what is said of a row of its probabilities."""

    def __init__(self, folder: Path, precision: str) -> None:
        super().__init__(folder)
        self.classifier = load_artifact(self.artifact, precision)
        self.classifier.warm_up()

    def answer(self, probabilities: np.ndarray) -> list[dict[str, Any]]:
        best = top_k(probabilities, self.classifier.labels, 5)
        return [
            {
                "class_index": one.class_index,
                "wnid": one.wnid,
                "label": one.label,
                "probability": one.probability,
            }
            for one in best
        ]
