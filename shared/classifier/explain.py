"""Which part of a picture speaks for a class: the class activation map, as numbers and laid over the photograph.

Zhou et al., "Learning Deep Features for Discriminative Localization" (CVPR 2016). In a network that ends in global
average pooling and one dense layer, a class's logit is the mean over all cells of `features @ weights`, plus a bias.
Those cells are the map; nothing is approximated.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

from shared.classifier.predictions import Explanation
from shared.classifier.preprocess import Preprocessing

Floats = npt.NDArray[np.float32]

# From cold to hot in equal steps. Lightness rises all the way, so the map also reads without colour vision.
HEAT_COLOURS = ((20, 10, 80), (120, 10, 110), (205, 50, 70), (250, 145, 20), (255, 240, 130))
HOTTEST_COVER = 0.7  # how much of the photograph the hottest colour hides


def explain(
    features: Floats, class_weights: Floats, class_index: int, preprocessing: Preprocessing, size: tuple[int, int]
) -> Explanation:
    """Return the class activation map of one picture of that size (width, height).

    `features` are the last feature maps, shape (rows, columns, channels); `class_weights` the dense layer's, shape
    (channels, classes).
    """
    return explanation_of(class_grid(features, class_weights, class_index), class_index, preprocessing, size)


def class_grid(features: Floats, class_weights: Floats, class_index: int) -> Floats:
    """Return the map itself, shape (rows, columns), by whoever holds the model."""
    return features @ class_weights[:, class_index]


def explanation_of(grid: Floats, class_index: int, preprocessing: Preprocessing, size: tuple[int, int]) -> Explanation:
    """Say where in the picture of that size the map lies."""
    left, top, right, bottom = preprocessing.region(*size)
    width, height = size
    return Explanation(
        class_index,
        tuple(tuple(row) for row in grid.tolist()),
        (left / width, top / height, right / width, bottom / height),
    )


def lay_over(image: Image.Image, explanation: Explanation) -> Image.Image:
    """Return a copy of the photograph on which the parts that speak most for the class glow.

    Colours run from the map's lowest cell (clear) to its highest; what the model did not see stays as it is.
    """
    width, height = image.size
    left, top, right, bottom = explanation.region
    box = (round(left * width), round(top * height), round(right * width), round(bottom * height))
    if box[0] == box[2] or box[1] == box[3]:  # a picture so thin that nothing can be seen on it
        return image.copy()
    heat = _heat(explanation, (box[2] - box[0], box[3] - box[1]))
    steps = np.linspace(0, 1, len(HEAT_COLOURS))
    colours = np.stack([np.interp(heat, steps, channel) for channel in zip(*HEAT_COLOURS, strict=True)], axis=-1)
    mask = Image.fromarray((heat * HOTTEST_COVER * 255).astype(np.uint8))
    explained = image.copy()
    explained.paste(Image.fromarray(colours.astype(np.uint8)), box, mask)
    return explained


def _heat(explanation: Explanation, size: tuple[int, int]) -> Floats:
    """Return the map at the size of the picture, 0 at its lowest and 1 at its highest."""
    grid = np.asarray(explanation.grid, np.float32)
    spread = float(np.ptp(grid))
    cells = (grid - grid.min()) / spread if spread else np.zeros_like(grid)
    smooth = Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(smooth).clip(0, 1)
