"""How a readable picture becomes an upright RGB one: types, orientation, colours, reduced decoding, limits.

Most pictures here are a card of 3 x 2 coloured blocks, written down as the letters a person would read off it.
"""

import io
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageChops

from shared.classifier.images import decode
from shared.errors import ImageTooLargeError, ImageTooManyPixelsError, ImageTypeUnsupportedError

COLOURS = {
    "R": (255, 0, 0),
    "G": (0, 160, 0),
    "B": (0, 0, 255),
    "W": (255, 255, 255),
    "K": (0, 0, 0),
    "Y": (255, 230, 0),
    "?": (128, 128, 128),
}
CARD = "RGB/WKY"
ORIENTATION = 274
READ_AFTER_TURNING = {
    1: "RGB/WKY",
    2: "BGR/YKW",
    3: "YKW/BGR",
    4: "WKY/RGB",
    5: "RW/GK/BY",
    6: "WR/KG/YB",
    7: "YB/KG/WR",
    8: "BY/GK/RW",
}


def draw(letters: str = CARD, block: int = 16) -> Image.Image:
    """Draw rows of letters, separated by slashes, as blocks of colour: mode RGB, `block` pixels per side."""
    pixels = np.array([[COLOURS[letter] for letter in row] for row in letters.split("/")], dtype=np.uint8)
    return Image.fromarray(pixels.repeat(block, axis=0).repeat(block, axis=1))


def read(picture: Image.Image, block: int = 16) -> str:
    """Read the letters off a card: of each block's middle, the nearest colour."""
    pixels = np.asarray(picture, dtype=int)[block // 2 :: block, block // 2 :: block]
    nearest = [[min(COLOURS, key=lambda c: np.abs(COLOURS[c] - p).sum()) for p in row] for row in pixels]
    return "/".join("".join(row) for row in nearest)


def encode(picture: Image.Image, file_format: str, **options: object) -> bytes:
    """Encode by Pillow, with pillow-heif where the format is HEIF."""
    if file_format == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def turned(orientation: int) -> bytes:
    """Make an EXIF block that asks for this orientation."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif.tobytes()


# --- types -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"])
def test_every_type_gives_the_same_card_and_says_what_it_was(file_format: str) -> None:
    file = encode(draw(), file_format)

    decoded = decode(file)

    assert (decoded.rgb.mode, decoded.rgb.size, read(decoded.rgb)) == ("RGB", (48, 32), CARD)
    facts = decoded.facts
    assert (facts.format, facts.width, facts.height, facts.byte_count) == (file_format, 48, 32, len(file))


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_of_several_frames_or_pages_the_first_one_counts(file_format: str) -> None:
    file = encode(draw(), file_format, save_all=True, append_images=[draw("KKK/KKK"), draw("YYY/YYY")])

    decoded = decode(file)

    assert read(decoded.rgb) == CARD
    assert decoded.facts.format == ("JPEG" if file_format == "MPO" else file_format)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_a_compressed_tiff_is_read(compression: str) -> None:
    assert read(decode(encode(draw(), "TIFF", compression=compression)).rgb) == CARD


def test_a_big_tiff_is_read() -> None:
    file = encode(draw(), "TIFF", big_tiff=True)

    assert file[:4] == b"II+\0"
    assert read(decode(file).rgb) == CARD


def test_without_its_decoder_a_heic_asks_for_the_package_or_a_jpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    file = encode(draw(), "HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)

    with pytest.raises(ImageTypeUnsupportedError) as failure:
        decode(file)

    assert "pillow-heif" in failure.value.remedy
    assert "JPEG" in failure.value.remedy


# --- orientation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", READ_AFTER_TURNING)
def test_a_rotated_phone_photo_is_turned_upright_once(file_format: str, orientation: int) -> None:
    file = encode(draw(), file_format, exif=turned(orientation))

    decoded = decode(file)

    assert read(decoded.rgb) == READ_AFTER_TURNING[orientation]
    assert (decoded.facts.width, decoded.facts.height) == decoded.rgb.size
    assert "exif" not in decoded.rgb.info


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_ignored(orientation: int) -> None:
    assert read(decode(encode(draw(), "JPEG", exif=turned(orientation))).rgb) == CARD


@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_the_orientation_is_found_in_both_byte_orders(byte_order: str) -> None:
    head = b"II*\0" if byte_order == "little" else b"MM\0*"
    numbers = [(8, 4), (1, 2), (ORIENTATION, 2), (3, 2), (1, 4), (6, 2), (0, 2), (0, 4)]
    exif = b"Exif\0\0" + head + b"".join(value.to_bytes(size, byte_order) for value, size in numbers)  # type: ignore[arg-type]

    assert read(decode(encode(draw(), "JPEG", exif=exif)).rgb) == READ_AFTER_TURNING[6]


# --- colours ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "YCbCr", "LAB"])
def test_colours_survive_every_mode(mode: str) -> None:
    file = encode(draw().convert(mode), "TIFF" if mode in ("CMYK", "YCbCr", "LAB") else "PNG")

    assert read(decode(file).rgb) == CARD


def test_a_cmyk_jpeg_is_not_read_as_its_negative() -> None:
    assert read(decode(encode(draw().convert("CMYK"), "JPEG", quality=95)).rgb) == CARD


def test_a_ycck_jpeg_keeps_its_colours() -> None:
    inks = ImageChops.invert(draw()).convert("YCbCr")
    # Pillow stores the four channels inverted and says "plain CMYK"; the last byte of Adobe's marker says "YCCK".
    channels = [*map(ImageChops.invert, inks.split()), Image.new("L", inks.size, 0)]
    file = bytearray(encode(Image.merge("CMYK", channels), "JPEG", quality=95))
    transform = file.index(b"Adobe") + 11
    assert file[transform] == 0
    file[transform] = 2

    assert read(decode(bytes(file)).rgb) == CARD


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_what_is_transparent_becomes_white(file_format: str) -> None:
    picture = draw()
    picture.putalpha(draw("WWW/WKK").convert("L"))

    assert read(decode(encode(picture, file_format, lossless=True)).rgb) == "RGB/WWW"


def test_half_transparent_black_becomes_middle_grey() -> None:
    file = encode(Image.new("RGBA", (1, 1), (0, 0, 0, 128)), "PNG")

    assert decode(file).rgb.getpixel((0, 0)) == (127, 127, 127)


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
def test_a_transparent_palette_colour_becomes_white(file_format: str) -> None:
    picture = draw().quantize(6)
    black = picture.getpixel((24, 24))

    assert read(decode(encode(picture, file_format, transparency=black)).rgb) == "RGB/WWY"


def test_a_palette_with_degrees_of_transparency_is_laid_over_white() -> None:
    picture = draw().quantize(6)
    black = picture.getpixel((24, 24))
    alphas = bytes(128 if colour == black else 255 for colour in range(6))

    assert read(decode(encode(picture, "PNG", transparency=alphas)).rgb) == "RGB/W?Y"


@pytest.mark.parametrize(("mode", "colour"), [("RGB", (0, 0, 0)), ("L", 0), ("1", 0)])
def test_the_one_transparent_colour_of_a_png_becomes_white(mode: str, colour: int | tuple[int, int, int]) -> None:
    assert read(decode(encode(draw("KKW").convert(mode), "PNG", transparency=colour)).rgb) == "WWW"


def test_the_one_transparent_grey_of_sixteen_bits_is_met_exactly() -> None:
    picture = Image.fromarray(np.array([[999, 1000, 1001]], dtype=np.uint16))

    grey = np.asarray(decode(encode(picture, "PNG", transparency=1000)).rgb)[0, :, 0]

    assert grey.tolist() == [4, 255, 4]


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey_and_black_and_white_become_rgb(mode: str) -> None:
    assert read(decode(encode(draw("KWK/WKK").convert(mode), "PNG")).rgb) == "KWK/WKK"


def test_premultiplied_grey_with_transparency_is_read() -> None:
    file = bytearray(encode(Image.new("LA", (16, 16), (0, 0)), "TIFF"))
    extra_samples = file.index((338).to_bytes(2, "little") + b"\x03\x00\x01\x00\x00\x00\x02\x00")
    file[extra_samples + 8] = 1  # 2 is plain, 1 is premultiplied transparency

    assert read(decode(bytes(file)).rgb) == "W"


@pytest.mark.parametrize(
    ("file_format", "number_type"), [("PNG", "<u2"), ("TIFF", "<u2"), ("TIFF", ">u2")], ids=["PNG", "II", "MM"]
)
def test_sixteen_bits_are_scaled_not_clipped(file_format: str, number_type: str) -> None:
    picture = Image.fromarray(np.array([[0, 257, 25_700, 65_535]], dtype=number_type))

    grey = np.asarray(decode(encode(picture, file_format)).rgb)[0, :, 0]

    assert grey.tolist() == [0, 1, 100, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.2, 1.0], [0, 51, 255]),
        ([0.0, 51.0, 254.0], [0, 51, 254]),
        ([-1000.0, 0.0, 4000.0], [0, 51, 255]),
        ([float("nan"), float("inf"), 200.0], [0, 0, 200]),
        ([900.0, 900.0, 900.0], [0, 0, 0]),
        ([-3.4e38, 0.0, 3.4e38], [0, 128, 255]),
    ],
    ids=["fractions", "bytes", "anything", "not finite", "all the same", "extreme"],
)
def test_fractions_are_scaled_by_their_range(values: list[float], expected: list[int]) -> None:
    picture = Image.fromarray(np.array([values], dtype=np.float32))

    assert np.asarray(decode(encode(picture, "TIFF")).rgb)[0, :, 0].tolist() == expected


def test_whole_numbers_of_32_bits_follow_the_rule_for_fractions() -> None:
    picture = Image.fromarray(np.array([[0, 20_000, 100_000]], dtype=np.int32))

    assert np.asarray(decode(encode(picture, "TIFF")).rgb)[0, :, 0].tolist() == [0, 51, 255]


# --- reduced decoding ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at_least", "size"),
    [((8, 8), (96, 64)), ((48, 32), (96, 64)), ((49, 32), (192, 128)), ((192, 129), (768, 512)), (None, (768, 512))],
)
def test_a_jpeg_is_reduced_while_both_sides_stay_twice_as_large_as_needed(
    at_least: tuple[int, int] | None, size: tuple[int, int]
) -> None:
    file = encode(draw(block=256), "JPEG")

    decoded = decode(file, at_least=at_least)

    assert decoded.rgb.size == size
    assert read(decoded.rgb, block=size[1] // 2) == CARD
    assert (decoded.facts.width, decoded.facts.height) == (768, 512)


def test_needed_width_and_height_are_those_of_the_upright_picture() -> None:
    file = encode(draw(block=256), "JPEG", exif=turned(6))

    decoded = decode(file, at_least=(32, 48))

    assert (decoded.rgb.size, read(decoded.rgb, block=32)) == ((64, 96), READ_AFTER_TURNING[6])
    assert (decoded.facts.width, decoded.facts.height) == (512, 768)


def test_a_jpeg_whose_sides_cannot_be_halved_evenly_is_not_reduced() -> None:
    file = encode(Image.new("RGB", (801, 601)), "JPEG")

    assert decode(file, at_least=(10, 10)).rgb.size == (801, 601)


def test_other_types_are_never_reduced() -> None:
    assert decode(encode(draw(block=256), "PNG"), at_least=(8, 8)).rgb.size == (768, 512)


# --- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"])
def test_exactly_the_limits_pass_and_one_more_fails(file_format: str) -> None:
    file = encode(draw(), file_format)
    pixels = 48 * 32

    assert decode(file, max_bytes=len(file), max_pixels=pixels).rgb.size == (48, 32)
    with pytest.raises(ImageTooLargeError):
        decode(file, max_bytes=len(file) - 1)
    with pytest.raises(ImageTooManyPixelsError):
        decode(file, max_pixels=pixels - 1)


def test_bytes_are_counted_before_anything_else_is_looked_at() -> None:
    with pytest.raises(ImageTooLargeError):
        decode(b"no picture", max_bytes=9)


def test_the_full_size_counts_even_if_a_reduced_picture_is_enough() -> None:
    with pytest.raises(ImageTooManyPixelsError):
        decode(encode(draw(block=256), "JPEG"), at_least=(8, 8), max_pixels=768 * 512 - 1)


def test_many_threads_get_the_same_pictures_as_one() -> None:
    files = [encode(draw(), kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")] * 20
    alone = [decode(file).rgb.tobytes() for file in files]

    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda file: decode(file).rgb.tobytes(), files))

    assert together == alone
