"""The one way in for pictures: encoded bytes of a common type become one upright RGB picture, or an `ImageError`.

An upload is untrusted: its type is told from its first bytes alone, only that type's parser ever sees it, its size is
checked before a pixel is decoded, and whatever a parser raises leaves here as an `ImageError`. Nothing process-wide
is touched, so threads may decode at once. Of an animation or several pages the first picture counts. Colour profiles
are not applied, as the models learned without them. Where a process turns warnings into errors, a TIFF, AVIF or APNG
whose metadata Pillow warns about is refused; elsewhere the picture is read without that metadata.
"""

import io
from dataclasses import dataclass
from typing import Any

from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from shared import errors
from shared.classifier.exif import SIDEWAYS, TURNS, orientation_of
from shared.classifier.image_colours import to_rgb
from shared.classifier.image_ends import IS_CUT_SHORT
from shared.classifier.image_types import PARSERS, SEND_THESE, recognise

MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 50_000_000

_TILE_WIDTH, _TILE_LENGTH = 322, 323  # TIFF tags

_MARGIN = 2  # Measured: reduced decoding then alters a model's input by half of what JPEG quality 75 for 90 does.
_SEND_AGAIN = "Send the file again, or save the picture anew as a JPEG."
_SEND_SMALLER = "Send a smaller copy of the picture."


@dataclass(frozen=True)
class ImageFacts:
    """What was sent: its type as Pillow names it, its full upright size in pixels, its size in bytes."""

    format: str
    width: int
    height: int
    byte_count: int


@dataclass(frozen=True)
class DecodedImage:
    """The upright picture in mode RGB, no further reduced than `decode` was allowed to, and what was sent."""

    rgb: Image.Image
    facts: ImageFacts


def decode(
    image_bytes: bytes,
    *,
    at_least: tuple[int, int] | None = None,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> DecodedImage:
    """Decode one encoded picture; every failure is an `ImageError`.

    Given `at_least` (width, height in pixels, upright), a JPEG may come at 1/2, 1/4 or 1/8 of its size, decoded so
    much faster, while both sides stay twice that large. `max_pixels` is exact up to 89 million; beyond, Pillow's and
    the decoders' own alarms may refuse a TIFF, GIF, WebP, AVIF or HEIC earlier.
    """
    if not image_bytes:
        raise errors.ImageEmptyError("The file is empty.", SEND_THESE)
    if len(image_bytes) > max_bytes:
        detail = f"The file has {len(image_bytes):,} bytes; the limit is {max_bytes:,}."
        raise errors.ImageTooLargeError(detail, _SEND_SMALLER)
    kind = recognise(image_bytes)
    try:
        return _read(kind, image_bytes, at_least, max_pixels)
    except errors.ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        detail = "The picture announces more pixels than its decoder accepts."
        raise errors.ImageTooManyPixelsError(detail, _SEND_SMALLER) from error
    # On damaged bytes the parsers raise nearly anything, from SyntaxError to MemoryError: never the caller's concern.
    except Exception as error:
        if "truncated" in str(error).lower() or IS_CUT_SHORT[kind](image_bytes):
            raise errors.ImageTruncatedError(f"The {kind} file ends too early.", _SEND_AGAIN) from error
        raise errors.ImageUnreadableError(f"The {kind} file is damaged ({error}).", _SEND_AGAIN) from error


def _read(kind: str, image_bytes: bytes, at_least: tuple[int, int] | None, max_pixels: int) -> DecodedImage:
    """Open with the parser for `kind`, check the header, decode, turn upright. Raises whatever the parser raises."""
    image = PARSERS[kind](io.BytesIO(image_bytes))
    _check_pixels(image, max_pixels)
    full_size = image.size
    if at_least and kind == "JPEG":
        _reduce(image, at_least[::-1] if orientation_of(image) in SIDEWAYS else at_least)
    else:
        image.load()
        full_size = image.size  # Pillow turns a TIFF upright while loading it.
    rgb, orientation = to_rgb(image), orientation_of(image)
    if orientation in TURNS:
        rgb = rgb.transpose(TURNS[orientation])
    rgb.info.clear()  # The orientation in it has been applied, and nobody shall apply it again.
    width, height = full_size[::-1] if orientation in SIDEWAYS else full_size
    return DecodedImage(rgb, ImageFacts(kind, width, height, len(image_bytes)))


def _check_pixels(image: ImageFile, max_pixels: int) -> None:
    width, height = image.size
    # The tiles of a TIFF are decoded whole, even where the picture needs only a corner of one.
    tags: Any = image.tag_v2 if isinstance(image, TiffImageFile) else {}
    if max(width * height, tags.get(_TILE_WIDTH, 0) * tags.get(_TILE_LENGTH, 0)) > max_pixels:
        detail = f"The picture announces {width:,} x {height:,} pixels, or larger tiles; the limit is {max_pixels:,}."
        raise errors.ImageTooManyPixelsError(detail, _SEND_SMALLER)


def _reduce(image: ImageFile, at_least: tuple[int, int]) -> None:
    """Let a JPEG's decoder leave out the detail nobody will look at: sides in pixels, as the file lies."""
    width, height = image.size
    for scale in (8, 4, 2):
        # Only an even division: a rounded side would shift every pixel, which costs more than the detail left out.
        is_even = width % scale == height % scale == 0
        if is_even and width >= at_least[0] * _MARGIN * scale and height >= at_least[1] * _MARGIN * scale:
            image.draft(None, (width // scale, height // scale))
            return
