"""Where pictures come from: files, folders, standard input and the web, each read only when its turn comes."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic

import requests
import urllib3

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
            yield Source("standard input", _read_standard_input)
        elif argument.lower().startswith(("http://", "https://")):
            yield Source(printable(argument), partial(_download, argument))
        elif os.path.isdir(argument):  # noqa: PTH112 - Path.is_dir raises where a folder may not be entered
            yield from _walk(argument)
        else:
            yield _file(argument)


def _file(path: str) -> Source:
    return Source(printable(path), partial(_read_file, path))


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
        yield Source(printable(error.filename), partial(_fail, f"The folder cannot be listed: {error.strerror}."))
    if not found and not unlisted:
        yield Source(printable(folder), partial(_fail, "The folder holds no file that is named like a picture."))


def _fail(detail: str, _max_bytes: int) -> bytes:
    raise SourceError(detail, "Check the folder's name and contents.")


def _read_file(path: str, max_bytes: int) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(max_bytes + 1)
    except OSError as error:
        raise SourceError(f"The file cannot be read: {error.strerror}.", "Check its name and your rights.") from error


def _read_standard_input(max_bytes: int) -> bytes:
    """Read without Python's buffer, whose lock a thread that still waits after Ctrl-C would never give back."""
    received = bytearray()
    try:
        while len(received) <= max_bytes and (chunk := os.read(0, _CHUNK_BYTES)):
            received += chunk
    except OSError as error:
        raise SourceError(f"Standard input cannot be read: {error.strerror}.", "Send a picture into it.") from error
    return bytes(received[: max_bytes + 1])


def _download(address: str, max_bytes: int) -> bytes:
    """Fetch an address; stop as soon as there is a byte too many, or the time is up."""
    deadline = monotonic() + _DOWNLOAD_TIMEOUT_S
    received = bytearray()
    try:
        with requests.get(address, stream=True, timeout=_CONNECT_AND_READ_TIMEOUT_S) as response:
            response.raise_for_status()
            # What has come is taken at once, or a server could hold the deadline off with a byte now and then.
            while len(received) <= max_bytes and (chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True)):
                received += chunk
                if monotonic() > deadline:
                    raise SourceError(f"The download took over {_DOWNLOAD_TIMEOUT_S} s.", "Fetch the file by hand.")
    # For some addresses requests lets the errors of what it is built on through.
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
        raise SourceError(
            f"The address cannot be fetched: {_reason(error)}.", "Open it in a browser to see."
        ) from error
    return bytes(received[: max_bytes + 1])


def _reason(error: Exception) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return printable(f"the server answered {error.response.status_code} {error.response.reason}")
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return "the connection broke off"
    return printable(str(error))


def printable(text: str) -> str:
    """Return a name, or what a server says, without what a terminal would obey or UTF-8 could not hold."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
