"""Millions of short texts of one length each, made as bytes beside bytes and handed to Arrow without a copy."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_DIGITS = np.frombuffer(b"".join(b"%02x" % number for number in range(256)), np.uint16)
_CLOCK = np.frombuffer(
    b"".join(b"%02d:%02d:%02d" % (s // 3600, s // 60 % 60, s % 60) for s in range(86_400)), np.uint8
).reshape(86_400, 8)


def hexadecimal(numbers: NDArray[np.uint64], prefix: bytes = b"") -> Any:  # noqa: ANN401 - PyArrow has no types
    """Return an Arrow array of texts of 16 hexadecimal digits each, behind a prefix."""
    digits = _DIGITS[numbers.astype(">u8").view(np.uint8)].view(np.uint8).reshape(len(numbers), 16)
    before = np.broadcast_to(np.frombuffer(prefix, np.uint8), (len(numbers), len(prefix)))
    return of_one_length(np.hstack([before, digits]))


def times(day: str, seconds: NDArray[np.int64]) -> Any:  # noqa: ANN401 - PyArrow has no types
    """Return an Arrow array of times of a day, such as 2026-09-01T10:00:00Z."""
    texts = np.empty((len(seconds), 20), np.uint8)
    texts[:, :11] = np.frombuffer(f"{day}T".encode(), np.uint8)
    texts[:, 11:19] = _CLOCK[seconds]
    texts[:, 19] = ord("Z")
    return of_one_length(texts)


def of_one_length(texts: NDArray[np.uint8]) -> Any:  # noqa: ANN401 - PyArrow has no types
    """Return an Arrow array of texts, given one row of bytes each; at most 2 GB."""
    count, length = texts.shape
    offsets = np.arange(count + 1, dtype=np.int32) * length
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(texts)))
