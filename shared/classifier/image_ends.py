"""Whether a file that could not be read lacks its end, which tells a broken upload from a damaged picture."""

import struct
from collections.abc import Callable

from shared.classifier.exif import tiff_fields

_PIXELS_AT = ((273, 279), (324, 325))  # TIFF tags: where strips and tiles begin, and how many bytes they have


def _tiff_is_cut_short(image_bytes: bytes) -> bool:
    try:
        fields = dict(tiff_fields(image_bytes))
    except (struct.error, ValueError):
        return True
    return any(
        int(begin) + int(length) > len(image_bytes)
        for begins, lengths in _PIXELS_AT
        for begin, length in zip(fields.get(begins, ()), fields.get(lengths, ()), strict=False)
    )


def _boxes_are_cut_short(image_bytes: bytes) -> bool:
    """Walk the boxes of an AVIF or HEIC file, each beginning with its length in bytes and its name."""
    position = 0
    while position < len(image_bytes):
        length = int.from_bytes(image_bytes[position : position + 4], "big")
        if length == 1:
            length = int.from_bytes(image_bytes[position + 8 : position + 16], "big")
        position += max(8, length or len(image_bytes) - position)  # The last box may leave its length open.
    return position > len(image_bytes) or b"meta" not in image_bytes


# Asked only about a file that could not be read: does it lack its end?
IS_CUT_SHORT: dict[str, Callable[[bytes], bool]] = {
    "JPEG": lambda file: not file.rstrip(b"\0").endswith(b"\xff\xd9"),
    "PNG": lambda file: b"IEND\xaeB`\x82" not in file,
    "WEBP": lambda file: int.from_bytes(file[4:8], "little") + 8 > len(file),
    "GIF": lambda file: not file.rstrip(b"\0").endswith(b";"),
    "BMP": lambda file: max(26, int.from_bytes(file[2:6], "little")) > len(file),
    "TIFF": _tiff_is_cut_short,
    "AVIF": _boxes_are_cut_short,
    "HEIF": _boxes_are_cut_short,
}
