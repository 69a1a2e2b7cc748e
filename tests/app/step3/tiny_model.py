"""A Keras model of a few hundred weights, which tells the colour of a picture: quick to export, and right by eye."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

COLOURS = ("red", "green", "blue")
SIDE = 16


@dataclass(frozen=True)
class TinyModel:
    """What `export` and `load` take for a model of one's own."""

    path: Path
    labels: Path

    @property
    def options(self) -> dict:
        return {"labels": self.labels, "scaling": "zero_to_one"}


def write_tiny_model(folder: Path, *, explainable: bool = True) -> TinyModel:
    """Save it as a `.keras` file with its labels."""
    keras.utils.set_random_seed(7)
    pixels = keras.Input((SIDE, SIDE, 3))
    x = pixels
    for _ in range(4):
        convolution = keras.layers.Conv2D(3, 3, padding="same", activation="relu")
        x = convolution(x)
        kernel = np.random.default_rng(7).normal(0, 0.02, (3, 3, 3, 3))
        kernel[1, 1] += np.eye(3)  # each colour passes nearly as it is
        convolution.set_weights([kernel, np.zeros(3)])
    end = keras.layers.GlobalAveragePooling2D()(x) if explainable else keras.layers.GlobalMaxPooling2D()(x)
    dense = keras.layers.Dense(3, activation="softmax")
    model = keras.Model(pixels, dense(end))
    dense.set_weights([8 * np.eye(3), np.zeros(3)])
    path, labels = folder / "colours.keras", folder / "labels.txt"
    model.save(path)
    labels.write_text("\n".join(COLOURS))
    return TinyModel(path, labels)


def plain(red: int, green: int, blue: int, count: int = 1):
    """Pictures of one colour, as a batch."""
    return np.full((count, SIDE, SIDE, 3), (red, green, blue), np.uint8)
