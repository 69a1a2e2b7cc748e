"""Find, fetch and identify weights files: a file or an address that the user gives, Keras's cache, Keras's download."""

import contextlib
import hashlib
import http.client
import re
import socket
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import keras
from keras.src.backend import config as keras_config  # the only name under which Keras tells where its cache is

from shared.errors import ModelOptionsError, WeightsDamagedError, WeightsUnavailableError

INCEPTION_V3_ADDRESS = (
    "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
    "inception_v3_weights_tf_dim_ordering_tf_kernels.h5"
)
INCEPTION_V3_SHA256 = "00c9ea4e4762f716ac4d300d6d9c2935639cc5e4d139b5790d765dcbeea539d0"

# Keras's own download waits for ever, both for a hub that cannot be reached and for one that stalls.
_PROBE_TIMEOUT_S = 5.0
_STALL_TIMEOUT_S = 30.0

_THREE_REMEDIES = (
    "Do one of three things:\n"
    "  1. Connect to the internet and start again: 96 MB are fetched once and kept in {cache}.\n"
    f"  2. Fetch {INCEPTION_V3_ADDRESS}\n"
    "     on another machine, and give that file, or its address inside your network, as the weights.\n"
    "  3. Choose the model efficientnet_lite0: it is here already and needs no network."
)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's contents as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def given_weights(weights: str, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Yield the local path of a weights file that is given as a path or an http(s) address.

    An address is downloaded once into Keras's cache, and forgotten there if it turns out to hold no usable weights;
    one that ends in `#sha256=<64 digits>` is held to them.
    Raises WeightsUnavailableError where there is no such file, WeightsDamagedError where it is of another type.
    """
    is_address = weights.lower().startswith(("http://", "https://"))
    if not weights.partition("#")[0].endswith(suffixes):
        raise WeightsDamagedError(f"{weights} is no weights file of this model.", f"Give one in {suffixes[0]}.")
    path = _download(weights) if is_address else existing_file(weights)
    try:
        yield path
    except WeightsDamagedError:
        if is_address:
            path.unlink(missing_ok=True)
        raise


def existing_file(name: str) -> Path:
    """Return the path of a file that is there, or raise WeightsUnavailableError."""
    with contextlib.suppress(OSError, RuntimeError):  # a name too long for the system, or a home that nobody has
        path = Path(name).expanduser()
        if path.is_file():
            return path
    raise WeightsUnavailableError(f"There is no file {name}.", "Check the path.")


def inception_v3_weights() -> Path:
    """Return the published ImageNet weights from Keras's cache, after fetching them there if need be.

    Raises WeightsUnavailableError, which names three remedies, where they are not cached and cannot be fetched.
    """
    name = urlsplit(INCEPTION_V3_ADDRESS).path.rpartition("/")[2]
    cached = Path(keras_config.keras_home(), "models", name)
    if cached.is_file() and sha256_of(cached) == INCEPTION_V3_SHA256:
        return cached
    try:
        _probe(INCEPTION_V3_ADDRESS)
        return _fetch(INCEPTION_V3_ADDRESS, name, INCEPTION_V3_SHA256)
    except WeightsUnavailableError as error:
        raise WeightsUnavailableError(
            f"InceptionV3's ImageNet weights are not on this machine. {error.detail}",
            _THREE_REMEDIES.format(cache=cached.parent),
        ) from error


def _download(address: str) -> Path:
    address, _, fragment = address.partition("#")
    digest = re.fullmatch(r"sha256=([0-9a-fA-F]{64})", fragment)
    if fragment and not digest:
        raise ModelOptionsError(f"#{fragment} is no digest.", "Write #sha256= and 64 hexadecimal digits, or nothing.")
    name = re.sub(r"[^\w.-]", "_", address.rpartition("/")[2])
    # Two addresses may end in the same name, and the cache is one folder.
    name = f"{hashlib.sha256(address.encode()).hexdigest()[:12]}-{name}"
    return _fetch(address, name, digest[1].lower() if digest else None)


def _probe(address: str) -> None:
    request = urllib.request.Request(address, method="HEAD")  # noqa: S310 - a constant https address
    try:
        urllib.request.urlopen(request, timeout=_PROBE_TIMEOUT_S).close()  # noqa: S310
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)  # urllib wraps what the socket said
        reason = getattr(reason, "strerror", None) or reason
        raise WeightsUnavailableError(
            f"{urlsplit(address).netloc} cannot be reached ({reason}).", "Check the network."
        ) from error


def _fetch(address: str, name: str, sha256: str | None) -> Path:
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_STALL_TIMEOUT_S)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # Keras draws its progress on stdout, where answers go
            return Path(keras.utils.get_file(name, address, cache_subdir="models", file_hash=sha256))
    # Keras raises a bare Exception for every fault of the network, and ValueError for a wrong digest.
    except Exception as error:
        raise WeightsUnavailableError(
            f"{address} cannot be fetched: {error}.", "Check the address and the network, or give a local file."
        ) from error
    finally:
        socket.setdefaulttimeout(patience)
