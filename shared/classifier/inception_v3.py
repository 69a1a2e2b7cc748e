"""InceptionV3, the model this repository is about: Keras's own network, with ImageNet's weights or a user's file.

Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (2016).
"""

from pathlib import Path

import keras

from shared.errors import WeightsDamagedError

WEIGHTS_SUFFIXES = (".h5", ".hdf5", ".keras")


def build(weights: Path) -> keras.Model:
    """Build the network with the weights of a file: (n, 299, 299, 3) scaled pixels in, (n, 1000) probabilities out.

    Raises WeightsDamagedError where the file is damaged or belongs to another network.
    """
    try:
        return keras.applications.InceptionV3(weights=str(weights))
    # What Keras and h5py raise for a bad file ranges from OSError over KeyError to bare Exception.
    except Exception as error:
        raise WeightsDamagedError(
            f"InceptionV3 cannot read its weights from {weights}: {error}",
            "Fetch the file again, and compare its SHA-256 with the one published beside it.",
        ) from error
