"""A user's own model: a `.keras` file, whose labels and input scaling the file itself does not tell."""

from pathlib import Path

import keras

from shared.classifier.preprocess import Preprocessing, Scaling
from shared.errors import ModelOptionsError, WeightsDamagedError

_DEFAULT_SIDE = 299  # InceptionV3's, for a model that takes pictures of any size


def build(path: Path) -> keras.Model:
    """Load the model of a `.keras` file, refusing those that carry Python code (Keras's safe mode).

    Raises WeightsDamagedError where it cannot be loaded.
    """
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    # A zip file, a JSON file and an HDF5 file can each be damaged in ways of their own.
    except Exception as error:
        raise WeightsDamagedError(
            f"{path} cannot be loaded as a Keras model: {error}",
            "Save it again with model.save('name.keras') in Keras 3, without Lambda layers.",
        ) from error


def preprocessing_of(model: keras.Model, scaling: Scaling) -> Preprocessing:
    """Return how pictures are made to fit: stretched to the model's own input size, as Keras's training tools do."""
    match model.input_shape:
        case (None, (int() | None) as height, (int() | None) as width, 3):
            side = _DEFAULT_SIDE
            return Preprocessing(width or side, height or side, "stretch", "bilinear", scaling)
    raise ModelOptionsError(
        f"The model takes inputs of shape {model.input_shape}.",
        "Give one that takes (None, height, width, 3): any number of pictures, in RGB, with the channels last.",
    )
