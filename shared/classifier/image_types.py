"""Which type of picture bytes are, told by the bytes alone, and the one parser that may see them."""

import io
import re
from collections.abc import Callable

import puremagic
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from shared import errors

SEND_THESE = "Send a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC picture."


class _JpegFile(JpegImageFile):
    """A JPEG, or the first one of an MPO, whose EXIF block Pillow leaves alone: damage there harms no pixel."""

    def _read_dpi_from_exif(self) -> None:
        """Do not look for a resolution nobody needs."""


def _open_heif(source: io.BytesIO) -> ImageFile:
    try:
        from pillow_heif import HeifImageFile  # noqa: PLC0415 - optional, and needed only here
    except ImportError as error:
        remedy = "Install pillow-heif where this program runs, or send the picture as a JPEG."
        raise errors.ImageTypeUnsupportedError("HEIC and HEIF pictures are not read here.", remedy) from error
    heif: ImageFile = HeifImageFile(source)  # type: ignore[no-untyped-call]
    return heif


PARSERS: dict[str, Callable[[io.BytesIO], ImageFile]] = {
    "JPEG": _JpegFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
    "AVIF": AvifImageFile,
    "HEIF": _open_heif,
}
# Two letters are no proof of a BMP; the length of the header that follows is always below 256.
_SIGNATURES = re.compile(
    rb"(?P<JPEG>\xff\xd8\xff)|(?P<PNG>\x89PNG\r\n\x1a\n)|(?P<WEBP>RIFF.{4}WEBP)|(?P<GIF>GIF8[79]a)"
    rb"|(?P<BMP>BM(?:.{13}\0\0\0|.{0,15}\Z))|(?P<TIFF>II[*+]\0|MM\0[*+])",
    re.DOTALL,
)
_THREE_BYTES_MATCH = 0.3  # puremagic's confidence; fewer bytes fit noise too often
_LONGEST_FTYP = 512  # bytes; brands beyond are not looked for
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}


def recognise(image_bytes: bytes) -> str:
    """Tell the type, a key of `PARSERS`, by the first bytes; raise if it is another type or no picture at all."""
    if match := _SIGNATURES.match(image_bytes):
        return str(match.lastgroup)
    if image_bytes[4:8] == b"ftyp":
        box = image_bytes[8 : min(int.from_bytes(image_bytes[:4], "big"), _LONGEST_FTYP)]
        brands = {box[at : at + 4] for at in range(0, len(box), 4)}
        if brands & (_AVIF_BRANDS | _HEIF_BRANDS):
            return "AVIF" if brands & _AVIF_BRANDS else "HEIF"
    raise _unknown_type(image_bytes)


def _unknown_type(image_bytes: bytes) -> errors.ImageError:
    """Say what the bytes are, where three or more of them are telling."""
    try:
        guess = puremagic.magic_string(image_bytes)[0]
    except puremagic.PureError:
        return errors.NotAnImageError("The file is not a picture.", SEND_THESE)
    if guess.confidence < _THREE_BYTES_MATCH:
        return errors.NotAnImageError("The file is not a picture.", SEND_THESE)
    if guess.mime_type.startswith("image/"):
        return errors.ImageTypeUnsupportedError(f"This type of picture is not read here: {guess.name}.", SEND_THESE)
    detail = f"The file is not a picture: it looks like {guess.mime_type or guess.name}."
    return errors.NotAnImageError(detail, SEND_THESE)
