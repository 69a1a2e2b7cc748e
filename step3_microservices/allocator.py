"""The C library's allocator, set for processes that handle pictures: some hundred kilobytes, again and again."""

import ctypes
from contextlib import suppress

_MEBIBYTE = 1024 * 1024
# glibc's numbers for the settings of mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def set_allocator() -> None:
    """Let threads share two arenas, and keep what is freed for the next picture.

    By itself glibc gives each thread an arena of its own, and none shrinks; and a block above 128 KiB it takes from the
    system and gives back each time, page by page, which costs more than all that is done with a model's input.
    """
    with suppress(AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 2)
        mallopt(_M_MMAP_THRESHOLD, 1 * _MEBIBYTE)
        mallopt(_M_TRIM_THRESHOLD, 4 * _MEBIBYTE)
