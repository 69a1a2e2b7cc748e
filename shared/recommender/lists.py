"""The lists of all known users in one file that is mapped, not read: LMDB, https://www.symas.com/lmdb.

A list costs its user some 60 bytes of disk and, until asked for, no memory. Keys are digests of user ids, values are
item numbers, the best first, of two bytes each where two are enough.
"""

import hashlib
from pathlib import Path
from struct import Struct
from typing import Self

import lmdb

from shared.errors import ArtifactError

KEY_BYTES = 8  # a stranger gets the list of one of 5 million users once in 4 million million strangers
SHARED_KEY = b""  # the value of a key that several users have: each has a longer one, with the id behind the digest


def number_bytes(items: int) -> int:
    """Return how many bytes a number below `items` takes."""
    return 2 if items <= 1 << 16 else 4


def key_of(user_id: str, key_bytes: int = KEY_BYTES) -> bytes:
    """Return under which key a user's list is kept, unless another user has the same."""
    return hashlib.blake2b(user_id.encode(errors="replace"), digest_size=key_bytes).digest()


def longer_key(key: bytes, user_id: str) -> bytes:
    """Return under which key the list of one of several users of that key is kept."""
    return key + user_id.encode(errors="replace")


class Lists:
    """The lists of one file, open for reading; each process opens it itself. Threads may share it."""

    def __init__(self, path: Path, number_bytes: int, key_bytes: int, *, readahead: bool = False) -> None:
        """Map the file, whose size must be right: one that is cut off would end the process when it is read.

        Without `readahead`, since lists are asked for in no order: where memory is short, pages that nobody wanted push
        out those that somebody does. Raises ArtifactError.
        """
        self._key_bytes = key_bytes
        self._letter = {2: "H", 4: "I"}[number_bytes]
        self._number_bytes = number_bytes
        self._forms: dict[int, Struct] = {}
        try:
            self._file = lmdb.open(str(path), subdir=False, readonly=True, lock=False, readahead=readahead)
        except lmdb.Error as error:
            raise ArtifactError(f"{path} cannot be opened: {error}.", "Fetch it again, or train again.") from error

    def get(self, user_id: str) -> tuple[int, ...] | None:
        """Return a user's item numbers, the best first, or None for a user who is not known."""
        key = key_of(user_id, self._key_bytes)
        with self._file.begin() as transaction:
            value = transaction.get(key)
            if value == SHARED_KEY:
                value = transaction.get(longer_key(key, user_id))
        if value is None:
            return None
        form = self._forms.get(len(value)) or self._form(len(value))
        return form.unpack(value)

    def close(self) -> None:
        """Unmap the file; nothing may be asked for any more."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _form(self, size: int) -> Struct:
        return self._forms.setdefault(size, Struct(f"<{size // self._number_bytes}{self._letter}"))
