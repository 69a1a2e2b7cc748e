"""How the lists of all users get into one file: keys are sorted and appended, so that every page of it is full."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import lmdb
import numpy as np
import numpy.typing as npt

from shared.errors import ArtifactError
from shared.recommender.lists import KEY_BYTES, SHARED_KEY, key_of, longer_key, number_bytes

NO_ITEM = 0xFFFFFFFF  # fills a short list up

_LARGEST_MAP = 1 << 40  # bytes of address space while writing; the file takes what it needs
_AT_ONCE = 1 << 17  # lists that are turned into bytes at a time

Numbers = npt.NDArray[np.uint32]
"""Item numbers, shape (users, length of a list)."""

Batch = tuple[Sequence[str], Numbers]
"""Users, and the list of each."""

_Bytes = npt.NDArray[np.uint8]


def write_lists(path: Path, batches: Iterable[Batch], items: int, key_bytes: int = KEY_BYTES) -> int:
    """Write the lists of all users, in whatever order they come, into a new file; return how many have one.

    Lists hold numbers below `items`, and NO_ITEM at their ends only. They are in memory until all have come: 60 bytes a
    user, and the user ids. Raises ArtifactError for numbers of no item, and for a user who comes twice.
    """
    user_ids: list[str] = []
    keys, lists, lengths = [], [], []
    for ids, numbers in batches:
        lengths.append(_checked_lengths(ids, numbers, items))
        lists.append(numbers.astype(f"<u{number_bytes(items)}"))  # what does not fit is NO_ITEM, and not kept
        keys.append(b"".join(key_of(user_id, key_bytes) for user_id in ids))
        user_ids.extend(ids)
    if not user_ids:
        lists, lengths = [np.empty((0, 1), "<u2")], [np.empty(0, np.int64)]
    keyed = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, key_bytes)
    every, length = np.concatenate(lists).view(np.uint8), np.concatenate(lengths) * number_bytes(items)
    has_list = np.flatnonzero(length)
    order = has_list[_order(keyed[has_list])]
    is_shared = _equal_to_a_neighbour(keyed[order])
    alone, sharing = order[~is_shared], order[is_shared]
    with lmdb.open(str(path), subdir=False, lock=False, sync=False, map_size=_LARGEST_MAP) as file:
        with file.begin(write=True) as transaction:
            transaction.cursor().putmulti(_entries(keyed, every, length, alone), append=True)
            for key, value in _told_apart(_entries(keyed, every, length, sharing), [user_ids[row] for row in sharing]):
                transaction.put(key, value)
        file.sync(True)
    return len(order)


def _checked_lengths(user_ids: Sequence[str], numbers: Numbers, items: int) -> npt.NDArray[np.int64]:
    """Return how many items each list has."""
    is_item = numbers != NO_ITEM
    if len(user_ids) != len(numbers):
        raise ArtifactError(f"{len(user_ids)} users came with {len(numbers)} lists.", "Give one list for each.")
    if (numbers[is_item] >= items).any():
        raise ArtifactError(f"A list names an item above the {items} there are.", "Give the items that were learned.")
    if (is_item[:, 1:] & ~is_item[:, :-1]).any():
        raise ArtifactError("A list has a gap.", "Fill short lists up at their ends.")
    lengths: npt.NDArray[np.int64] = is_item.sum(axis=1)
    return lengths


def _order(keys: _Bytes) -> npt.NDArray[np.int64]:
    """Return in which order the keys ascend, as LMDB compares them: byte by byte, and equal ones as they came."""
    wide = np.zeros((len(keys), KEY_BYTES), np.uint8)
    wide[:, : keys.shape[1]] = keys
    return np.argsort(wide.view(">u8").ravel().astype(np.uint64), kind="stable")


def _equal_to_a_neighbour(keys: _Bytes) -> npt.NDArray[np.bool_]:
    """Return which of the keys, in order, are keys of several users."""
    equal = (keys[1:] == keys[:-1]).all(axis=1)
    shared = np.zeros(len(keys), np.bool_)
    shared[1:] |= equal
    shared[:-1] |= equal
    return shared


def _entries(
    keys: _Bytes, lists: _Bytes, sizes: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value of each of these rows."""
    width, step = keys.shape[1], lists.shape[1]
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        key, value = keys[some].tobytes(), lists[some].tobytes()
        for place, size in enumerate(sizes[some].tolist()):
            yield key[place * width : (place + 1) * width], value[place * step : place * step + size]


def _told_apart(entries: Iterable[tuple[bytes, bytes]], user_ids: Sequence[str]) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of users who share theirs: each gets a longer one, and the short one says so."""
    seen: set[bytes] = set()
    for (key, value), user_id in zip(entries, user_ids, strict=True):
        longer = longer_key(key, user_id)
        if longer in seen:
            raise ArtifactError(f"The user {user_id} came twice.", "Give one list for each user.")
        seen.add(longer)
        yield key, SHARED_KEY
        yield longer, value
