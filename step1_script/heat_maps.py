"""Heat maps as files: one for each picture, in a folder that mirrors where the pictures lie."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, cast

from PIL import Image

from shared.classifier.explain import Floats, explain, lay_over
from shared.classifier.predictions import Explanation
from step1_script.exits import OutputError
from step1_script.pictures import Picture

if TYPE_CHECKING:
    from shared.classifier.keras_classifier import KerasClassifier

_LONGEST_SIDE = 1600  # pixels; a grid of 8 x 8 cells gains nothing from more
_LONGEST_NAME = 200  # bytes; with what is added, below the 255 that file systems allow


def reduced(photograph: Image.Image) -> Image.Image:
    """Return a copy that is large enough to look at, and small enough to keep while its batch is predicted."""
    copy = photograph.copy()
    copy.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    return copy


def save_heat_maps(
    pictures: Sequence[Picture], probabilities: Floats, features: Floats, classifier: "KerasClassifier", folder: Path
) -> Iterator[Explanation]:
    """Explain the best label of each picture; write FOLDER/path/of/cat.jpg.heatmap.jpg for path/of/cat.jpg.

    Each is written when its explanation is asked for. Raises OutputError where that cannot be done.
    """
    for picture, row, maps in zip(pictures, probabilities, features, strict=True):
        photograph = cast("Image.Image", picture.photograph)
        best = int(row.argmax())
        explanation = explain(maps, classifier.class_weights, best, classifier.preprocessing, photograph.size)
        _save(lay_over(photograph, explanation), folder / _mirrored(picture.name))
        yield explanation


def _save(heat_map: Image.Image, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        heat_map.save(path, quality=90)
    except OSError as error:
        raise OutputError(
            f"The heat map {path} cannot be written: {error.strerror}.", "Name another folder."
        ) from error


def _mirrored(source: str) -> PurePath:
    """Return a relative path, for a file, an address or standard input, that stays inside the folder it is put in.

    Where a name had to be altered for that, a part of the source's digest keeps two of them apart.
    """
    parts = [part for part in source.split("/") if part not in {"", "."}]
    plain = ["__" if part == ".." else re.sub(r"[\\?:*]", "_", part) for part in parts]
    short = [part.encode()[-_LONGEST_NAME:].decode(errors="ignore") for part in plain]
    digest = "" if short == parts else f"-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
    return PurePath(*short[:-1], f"{short[-1]}{digest}.heatmap.jpg")
