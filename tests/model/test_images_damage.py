"""What is no readable picture: each kind of failure has its own error, and nothing else ever leaves `decode`."""

import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from shared.classifier.images import decode
from shared.errors import (
    ImageEmptyError,
    ImageError,
    ImageTruncatedError,
    ImageTypeUnsupportedError,
    ImageUnreadableError,
    NotAnImageError,
)
from tests.conftest import ROOT
from tests.model.test_images_rules import CARD, READ_AFTER_TURNING, draw, encode, read, turned

KINDS: dict[str, tuple[str, dict[str, object]]] = {
    "JPEG": ("JPEG", {}),
    "progressive JPEG": ("JPEG", {"progressive": True}),
    "PNG": ("PNG", {}),
    "WebP": ("WEBP", {}),
    "lossless WebP": ("WEBP", {"lossless": True}),
    "animated WebP": ("WEBP", {"save_all": True, "append_images": [draw("KKK/KKK", block=32)]}),
    "GIF": ("GIF", {}),
    "BMP": ("BMP", {}),
    "TIFF": ("TIFF", {}),
    "BigTIFF": ("TIFF", {"big_tiff": True}),
    "LZW TIFF": ("TIFF", {"compression": "tiff_lzw"}),
    "deflated TIFF": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "JPEG in TIFF": ("TIFF", {"compression": "jpeg"}),
    "AVIF": ("AVIF", {}),
    "HEIC": ("HEIF", {}),
}


def sample(kind: str) -> bytes:
    """Encode a noisy card, so that its pixels make up most of the file."""
    noise = np.random.default_rng(7).integers(0, 40, (64, 96, 3), dtype=np.uint8)
    picture = Image.fromarray(np.asarray(draw(block=32)) // 2 + noise)
    file_format, options = KINDS[kind]
    return encode(picture, file_format, **options)


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """Build a PNG that announces these sides and has these chunks, whatever they hold."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IEND", b"")]
    body = [len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4) for name, data in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def tiff(**tags: int) -> bytes:
    """Build a TIFF of one directory, its tags given by number as `t256=100`."""
    fields = [struct.pack("<HHLL", int(name[1:]), 4, 1, value) for name, value in sorted(tags.items())]
    return struct.pack("<2sHLH", b"II", 42, 8, len(fields)) + b"".join(fields) + bytes(64)


# --- no picture, or none of ours -------------------------------------------------------------------------------------


def test_no_bytes_at_all() -> None:
    with pytest.raises(ImageEmptyError):
        decode(b"")


@pytest.mark.parametrize(
    ("file", "looks_like"),
    [
        (b"%PDF-1.7\n%", "application/pdf"),
        (b"<!DOCTYPE html><html></html>", "text/html"),
        (b"PK\x03\x04" + bytes(30), "application/"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "video/mp4"),
    ],
)
def test_another_kind_of_file_is_named(file: bytes, looks_like: str) -> None:
    with pytest.raises(NotAnImageError, match=looks_like):
        decode(file)


@pytest.mark.parametrize(
    "file", [b"x", b"Hello, this is text.", b"BMW makes cars, not pictures", b"\xff\xd8", bytes(1)]
)
def test_bytes_without_a_known_beginning_are_not_a_picture(file: bytes) -> None:
    with pytest.raises(NotAnImageError):
        decode(file)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (b"8BPS\0\1" + bytes(20), "Photoshop"),
        (encode(draw(), "ICO"), "Icon"),
        (encode(draw(), "PPM"), "PPM"),
        (encode(draw(), "JPEG2000"), "JPEG2000"),
        (encode(draw(), "TGA"), "Targa"),
        (encode(draw(), "PCX"), "Paintbrush"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20), "JPEG XL"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', "Vector"),
    ],
)
def test_a_picture_of_another_type_is_named(file: bytes, name: str) -> None:
    with pytest.raises(ImageTypeUnsupportedError, match=name):
        decode(file)


# --- cut short -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("at_least", [None, (10, 10)], ids=["full", "reduced"])
def test_a_file_cut_short_is_called_truncated(kind: str, share: float, at_least: tuple[int, int] | None) -> None:
    file = sample(kind)

    with pytest.raises(ImageTruncatedError):
        decode(file[: max(18, int(len(file) * share))], at_least=at_least)


@pytest.mark.parametrize(("kind", "end_mark"), [("PNG", 12), ("GIF", 1)])
def test_a_file_that_lacks_only_its_end_mark_is_still_a_picture(kind: str, end_mark: int) -> None:
    file = sample(kind)

    assert decode(file[:-end_mark]).rgb.tobytes() == decode(file).rgb.tobytes()


def test_of_an_animated_gif_cut_after_its_first_frame_that_frame_is_left() -> None:
    file = encode(draw(), "GIF", save_all=True, append_images=[draw("YYY/BBB")])

    assert read(decode(file[:-10]).rgb) == CARD


# --- damaged ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "mark", "distance"),
    [
        ("JPEG", b"\xff\xc0", 4),
        ("PNG", b"IHDR", 4),
        ("WebP", b"VP8 ", 11),
        ("GIF", b",\0\0\0\0", 10),
        ("BMP", b"\x28\0\0\0", 14),
        ("TIFF", b"\x03\x01\x03\0", 8),
        ("LZW TIFF", b"\x03\x01\x03\0", 8),
        ("AVIF", b"iprp", -4),
        ("HEIC", b"iprp", -4),
    ],
)
def test_a_whole_file_with_a_ruined_header_is_called_damaged(kind: str, mark: bytes, distance: int) -> None:
    file = bytearray(sample(kind))
    ruined = file.index(mark) + distance
    file[ruined : ruined + 2] = b"\x7e\x7e"

    with pytest.raises(ImageUnreadableError):
        decode(bytes(file))


def test_a_text_that_unpacks_to_a_hundred_times_its_size_is_called_damaged() -> None:
    bomb = (b"zTXt", b"comment\0\0" + zlib.compress(bytes(8_000_000)))

    with pytest.raises(ImageUnreadableError):
        decode(png(1, 1, bomb, (b"IDAT", zlib.compress(bytes(4)))))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0noise"])
def test_a_damaged_exif_block_is_ignored_and_the_picture_used_as_it_lies(file_format: str, exif: bytes) -> None:
    assert read(decode(encode(draw(), file_format, exif=exif)).rgb) == CARD


def test_an_exif_block_damaged_behind_its_orientation_still_tells_it() -> None:
    exif = turned(6)[:-4]

    assert read(decode(encode(draw(), "JPEG", exif=exif)).rgb) == READ_AFTER_TURNING[6]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_tiff_is_read_without_the_metadata_pillow_warns_about() -> None:
    assert read(decode(_tiff_with_lost_text()).rgb) == CARD


def test_a_tiff_pillow_warns_about_is_refused_where_warnings_are_errors() -> None:
    with pytest.raises(ImageTruncatedError):
        decode(_tiff_with_lost_text())


def _tiff_with_lost_text() -> bytes:
    software = 305
    file = bytearray(encode(draw(), "TIFF", tiffinfo={software: "a text that is stored elsewhere"}))
    entry = file.index(software.to_bytes(2, "little") + b"\2\0")
    file[entry + 8 : entry + 12] = (len(file) + 1000).to_bytes(4, "little")
    return bytes(file)


# --- bombs -----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory as Linux counts it")
@pytest.mark.parametrize(
    "bomb",
    [
        png(60_000, 60_000, (b"IDAT", zlib.compress(bytes(100)))),
        b"GIF89a" + struct.pack("<HH3x", 10, 10) + b"," + struct.pack("<4HB", 0, 0, 60_000, 60_000, 0) + b"\2\0;",
        b"BM" + struct.pack("<LLLLllHHL20x", 54, 0, 54, 40, 60_000, 60_000, 1, 24, 0),
        tiff(t256=60_000, t257=60_000, t258=8, t262=1, t273=8),
        tiff(t256=10, t257=10, t258=8, t259=5, t262=1, t322=60_000, t323=60_000, t324=8, t325=20),
        b"RIFF\x1e\0\0\0WEBPVP8L\x11\0\0\0\x2f" + ((16382 << 14) | 16382).to_bytes(4, "little") + bytes(13),
    ],
    ids=["PNG", "GIF", "BMP", "TIFF", "TIFF tile", "WebP"],
)
def test_a_bomb_is_refused_before_its_pixels_take_memory(bomb: bytes) -> None:
    """In a process of its own: the peak of this one has long been raised by other tests."""
    script = """
import resource, sys
from shared.classifier.images import decode
from shared.errors import ImageTooManyPixelsError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode(sys.stdin.buffer.read())
except ImageTooManyPixelsError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""

    child = subprocess.run([sys.executable, "-c", script], input=bomb, capture_output=True, check=True, cwd=ROOT)

    assert len(bomb) < 1000
    # Kilobytes; the smallest of these pictures would take a hundred times as much.
    assert int(child.stdout) < 10_000


# --- anything at all -------------------------------------------------------------------------------------------------


def ruins(count: int, seed: int = 20) -> Iterator[bytes]:
    """Yield files of every kind with bytes changed, added or missing, and noise behind a good beginning."""
    rng = random.Random(seed)
    files = [sample(kind) for kind in KINDS]
    for _ in range(count):
        ruin = bytearray(rng.choice(files))
        if rng.random() < 0.3:
            del ruin[rng.randrange(18, len(ruin)) :]
        if rng.random() < 0.1:
            ruin[16:] = rng.randbytes(200)
        for _ in range(rng.choice([1, 2, 5, 20])):
            at = rng.randrange(min(len(ruin), rng.choice([64, 400, 100_000])))
            ruin[at : at + rng.randrange(3)] = rng.choice([b"\0", b"\xff", b"\xff\xff", rng.randbytes(2)])
        yield bytes(ruin)


def test_damage_of_any_sort_ends_in_a_picture_or_an_image_error() -> None:
    endings = {"picture": 0, "error": 0}

    for ruin in ruins(600):
        try:
            decode(ruin)
            endings["picture"] += 1
        except ImageError:
            endings["error"] += 1

    assert min(endings.values()) > 50, endings
