"""From an upright RGB picture to the model's uint8 input: geometry here, scaling of values inside the model.

Keeping the input at one byte a value makes a picture four times smaller to queue, cache and send than floats,
and leaves the float arithmetic to the model's own compiled function.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

Batch = npt.NDArray[np.uint8]
"""Pictures ready for a model: uint8, shape (n, height, width, 3), RGB, 0..255."""

Region = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the picture."""


@dataclass(frozen=True)
class Scaling:
    """How a model's input relates to pixel values: `(pixel - mean) / deviation`, for each of R, G, B."""

    name: str
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


SCALINGS = {
    scaling.name: scaling
    for scaling in (
        Scaling("zero_to_255", mean=(0, 0, 0), deviation=(1, 1, 1)),
        Scaling("zero_to_one", mean=(0, 0, 0), deviation=(255, 255, 255)),
        Scaling("minus_one_to_one", mean=(127.5, 127.5, 127.5), deviation=(127.5, 127.5, 127.5)),
        # Mean and deviation of the ImageNet training set, in units of 1/255, as torchvision documents them.
        Scaling(
            "imagenet",
            mean=(0.485 * 255, 0.456 * 255, 0.406 * 255),
            deviation=(0.229 * 255, 0.224 * 255, 0.225 * 255),
        ),
    )
}


@dataclass(frozen=True)
class Preprocessing:
    """Everything that must happen to a picture before a given model may see it.

    `fit` is "stretch" (the whole picture, its sides squeezed to the input's) or "crop" (the centre, its sides in
    proportion: `crop_fraction` of the shorter side).
    """

    width: int
    height: int
    fit: Literal["stretch", "crop"]
    resampling: Literal["bilinear", "bicubic"]
    scaling: Scaling
    crop_fraction: float = 1.0

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Make it from what `dataclasses.asdict` and JSON have made of one."""
        scaling = fields["scaling"]
        restored = Scaling(scaling["name"], tuple(scaling["mean"]), tuple(scaling["deviation"]))
        return cls(**{**fields, "scaling": restored})

    def __str__(self) -> str:
        """Name it for `model_version`: two models that differ here give different answers."""
        fit = self.fit if self.fit == "stretch" else f"{self.fit}{self.crop_fraction:g}"
        return f"{fit}-{self.width}x{self.height}-{self.resampling}-{self.scaling.name}"

    def region(self, width: int, height: int) -> Region:
        """Return the part of a picture of that size that the model gets to see."""
        if self.fit == "stretch":
            return (0, 0, width, height)
        side = min(width / self.width, height / self.height) * self.crop_fraction
        left, top = (width - side * self.width) / 2, (height - side * self.height) / 2
        return (left, top, left + side * self.width, top + side * self.height)

    @property
    def at_least(self) -> tuple[int, int]:
        """Width and height below which a picture would have to be enlarged; for `decode(at_least=...)`."""
        return (round(self.width / self.crop_fraction), round(self.height / self.crop_fraction))


# Keras's own tools train InceptionV3 on stretched pictures, so the user's fine-tuned model expects them too.
INCEPTION_V3 = Preprocessing(299, 299, "stretch", "bilinear", SCALINGS["minus_one_to_one"])

# The evaluation rule of the EfficientNet-Lite weights: shorter side to 256, then the central 224.
EFFICIENTNET_LITE0 = Preprocessing(224, 224, "crop", "bicubic", SCALINGS["imagenet"], crop_fraction=224 / 256)

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def preprocess(image: Image.Image, preprocessing: Preprocessing) -> Batch:
    """Fit an upright RGB picture to the model: a batch of one, shape (1, height, width, 3).

    Cropping and resizing are one pass: only the region that the model sees is resampled.
    """
    resized = image.resize(
        (preprocessing.width, preprocessing.height),
        resample=_RESAMPLING[preprocessing.resampling],
        box=preprocessing.region(*image.size),
    )
    return np.asarray(resized)[np.newaxis]
