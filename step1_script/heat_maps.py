"""Heat maps as files: one for each picture, in a folder that mirrors where the pictures lie."""

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
_LONGEST_NAME = 120  # characters; addresses may be longer than a file system allows


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
    """Return a relative path, for a file, an address or standard input, that stays inside the folder it is put in."""
    parts = [part[-_LONGEST_NAME:] for part in re.split(r"[/\\?:*]", source) if part not in {"", ".", ".."}]
    return PurePath(*parts[:-1], f"{parts[-1]}.heatmap.jpg")
