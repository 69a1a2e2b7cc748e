"""Where pictures come from: files, folders, standard input and the web, each read only when its turn comes."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import requests

from shared.errors import ExpectedError

PICTURE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)
_CONNECT_AND_READ_TIMEOUT_S = (5, 15)
_DOWNLOAD_TIMEOUT_S = 60
_CHUNK_BYTES = 64 * 1024


class SourceError(ExpectedError):
    """There are no bytes to be had: no such file, no right to read it, no answer from the web."""

    code = "source_unreadable"


@dataclass(frozen=True)
class Source:
    """A picture yet to be read; `read(max_bytes)` gives its bytes, at most one more than `max_bytes` of them.

    The one byte more lets `decode` see, and say, that the limit was passed.
    """

    name: str
    read: Callable[[int], bytes]


def find_sources(arguments: Iterable[str]) -> Iterator[Source]:
    """Yield the pictures that command-line arguments stand for, folders file by file in sorted order."""
    for argument in arguments:
        if argument == "-":
            yield Source("standard input", lambda max_bytes: sys.stdin.buffer.read(max_bytes + 1))
        elif urlsplit(argument).scheme in {"http", "https"}:
            yield Source(argument, partial(_download, argument))
        elif Path(argument).is_dir():
            yield from _walk(argument)
        else:
            yield _file(argument)


def _file(path: str) -> Source:
    return Source(_printable(path), partial(_read_file, path))


def _walk(folder: str) -> Iterator[Source]:
    """Yield the files that are named like pictures; a folder that holds none, or cannot be listed, is a failure."""
    unlisted: list[OSError] = []
    found = False
    for parent, folders, files in os.walk(folder, onerror=unlisted.append):
        folders.sort()
        for name in sorted(files):
            if Path(name).suffix.lower() in PICTURE_SUFFIXES:
                found = True
                yield _file(os.path.join(parent, name))  # noqa: PTH118 - names need not be UTF-8, nor paths normal
    for error in unlisted:
        yield Source(_printable(error.filename), partial(_fail, f"The folder cannot be listed: {error.strerror}."))
    if not found and not unlisted:
        yield Source(_printable(folder), partial(_fail, "The folder holds no file that is named like a picture."))


def _fail(detail: str, _max_bytes: int) -> bytes:
    raise SourceError(detail, "Check the folder's name and contents.")


def _read_file(path: str, max_bytes: int) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(max_bytes + 1)
    except OSError as error:
        raise SourceError(f"The file cannot be read: {error.strerror}.", "Check its name and your rights.") from error


def _download(address: str, max_bytes: int) -> bytes:
    """Fetch an address; stop as soon as there is a byte too many, or the time is up."""
    deadline = monotonic() + _DOWNLOAD_TIMEOUT_S
    received = bytearray()
    try:
        with requests.get(address, stream=True, timeout=_CONNECT_AND_READ_TIMEOUT_S) as response:
            response.raise_for_status()
            for chunk in response.iter_content(_CHUNK_BYTES):
                received += chunk
                if len(received) > max_bytes:
                    break
                if monotonic() > deadline:
                    raise SourceError(f"The download took over {_DOWNLOAD_TIMEOUT_S} s.", "Fetch the file by hand.")
    except requests.RequestException as error:
        raise SourceError(
            f"The address cannot be fetched: {_reason(error)}.", "Open it in a browser to see."
        ) from error
    return bytes(received[: max_bytes + 1])


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return str(error)


def _printable(name: str) -> str:
    """Return a file's name without what a terminal would obey, or UTF-8 could not hold."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
