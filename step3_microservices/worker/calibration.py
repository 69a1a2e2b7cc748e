"""Pictures to calibrate a quantised model on, and others to compare it with its reference on: parts of photographs."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from shared.classifier.images import decode
from shared.classifier.preprocess import Batch, Preprocessing, preprocess
from shared.errors import ExpectedError, ImageError

CALIBRATION_COUNT = 64  # more did not change what int8 answers; each costs a pass of the float model
PARITY_COUNT = 128  # one of them is 0.8 % of an agreement

_CALIBRATION_SEED, _PARITY_SEED = 4, 40
_HELD_OUT = 4  # every fourth picture of a folder is kept for the comparison
_LARGEST_SIDE = 1024  # pixels: a model sees 299, so a part of a quarter still has enough


class CalibrationError(ExpectedError):
    """The pictures to calibrate on cannot be used."""

    code = "calibration_invalid"


@dataclass(frozen=True)
class Pictures:
    """Model inputs, each a batch of one: those to calibrate on, and those to compare on, none of which is in both."""

    source: str
    calibration: tuple[Batch, ...]
    parity: tuple[Batch, ...]

    @property
    def sha256(self) -> str:
        """The digest over the inputs to calibrate on, in their order."""
        digest = hashlib.sha256()
        for batch in self.calibration:
            digest.update(batch.tobytes())
        return digest.hexdigest()


def sample_pictures(folder: Path, preprocessing: Preprocessing) -> Pictures:
    """Return parts of the few photographs of a folder: all of them for both purposes, but never the same part."""
    photographs = _photographs(sorted(folder.glob("*.jpg")))
    return Pictures(
        "the sample photographs",
        tuple(parts(photographs, preprocessing, CALIBRATION_COUNT, _CALIBRATION_SEED)),
        tuple(parts(photographs, preprocessing, PARITY_COUNT, _PARITY_SEED)),
    )


def folder_pictures(folder: Path, preprocessing: Preprocessing) -> Pictures:
    """Return a user's pictures, every fourth of them held out for the comparison; and parts of them where they are few.

    Raises CalibrationError for a folder of fewer than four pictures, and for one that holds something else.
    """
    if not folder.is_dir():
        raise CalibrationError(f"There is no folder {folder}.", "Check the path.")
    photographs = _photographs(sorted(path for path in folder.iterdir() if not path.name.startswith(".")))
    if len(photographs) < _HELD_OUT:
        raise CalibrationError(
            f"{folder} holds {len(photographs)} pictures.",
            f"Put at least {_HELD_OUT} into it, better 300, like those that the model will meet.",
        )
    held_out = photographs[_HELD_OUT - 1 :: _HELD_OUT]
    others = [one for index, one in enumerate(photographs, 1) if index % _HELD_OUT]
    return Pictures(
        folder.name,
        tuple(_whole_and_parts(others, preprocessing, CALIBRATION_COUNT, _CALIBRATION_SEED)),
        tuple(_whole_and_parts(held_out, preprocessing, PARITY_COUNT, _PARITY_SEED)),
    )


def parts(photographs: Sequence[Image.Image], preprocessing: Preprocessing, count: int, seed: int) -> list[Batch]:
    """Return that many random parts of the photographs in turn: a half to all of each side, and some mirrored."""
    random = np.random.default_rng(seed)
    batches = []
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        width, height = (
            round(side * share) for side, share in zip(photograph.size, random.uniform(0.5, 1, 2), strict=True)
        )
        left = int(random.integers(photograph.width - width + 1))
        top = int(random.integers(photograph.height - height + 1))
        part = photograph.crop((left, top, left + width, top + height))
        if random.random() < 0.5:  # noqa: PLR2004
            part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        batches.append(preprocess(part, preprocessing))
    return batches


def _whole_and_parts(
    photographs: Sequence[Image.Image], preprocessing: Preprocessing, count: int, seed: int
) -> list[Batch]:
    whole = [preprocess(photograph, preprocessing) for photograph in photographs]
    return whole + parts(photographs, preprocessing, max(0, count - len(whole)), seed)


def _photographs(paths: Sequence[Path]) -> list[Image.Image]:
    photographs = []
    for path in paths:
        try:
            photograph = decode(path.read_bytes(), at_least=(_LARGEST_SIDE, _LARGEST_SIDE)).rgb
        except (ImageError, OSError) as error:
            raise CalibrationError(f"{path} is no picture that can be calibrated on: {error}", "Remove it.") from error
        photograph.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
        photographs.append(photograph)
    return photographs
