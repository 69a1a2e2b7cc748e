"""What EXIF says about which way up a picture is; an EXIF block is laid out like a small TIFF file."""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

_WIDTHS = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}  # bytes per number of each type, else 1
_ORIENTATION = 274

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = {5, 6, 7, 8}


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation still to be applied, or 1, as the picture lies, if the EXIF block is damaged.

    Not by Pillow: it warns about damage, which may be an error or not, and what it then says depends on which.
    """
    exif: bytes = (image.info.get("exif") or b"").removeprefix(b"Exif\0\0")
    try:
        for tag, numbers in tiff_fields(exif):
            if tag == _ORIENTATION:
                return int(numbers[0])
    except (struct.error, ValueError, IndexError):
        pass
    return 1


def tiff_fields(tiff: bytes) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yield each tag and its numbers from the first directory of a TIFF file or an EXIF block, which is a small TIFF.

    Numbers come as unsigned integers of their width. Raises `struct.error` or `ValueError` where they lie outside.
    """
    order = "<" if tiff.startswith(b"II") else ">"
    (start,) = struct.unpack_from(order + "L", tiff, 4)
    (entries,) = struct.unpack_from(order + "H", tiff, start)
    for entry in range(start + 2, start + 2 + 12 * entries, 12):
        tag, number_type, count, place = struct.unpack_from(order + "HHLL", tiff, entry)
        width = _WIDTHS.get(number_type, 1)
        is_inside_entry = width * count <= 4  # noqa: PLR2004 - the last four bytes of the entry
        yield tag, np.frombuffer(tiff, f"{order}u{width}", count, entry + 8 if is_inside_entry else place)
