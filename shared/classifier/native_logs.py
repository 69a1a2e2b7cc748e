"""What TensorFlow's C++ code says while it starts, kept from people unless it matters."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import ExpectedError


@contextmanager
def native_logs_held_back() -> Iterator[None]:
    """Keep what C++ code writes to file descriptor 2 out of sight, unless something unforeseen happens.

    TensorFlow reports there on CUDA and oneDNN before any setting of its own is read. Python's `sys.stderr` still
    reaches the terminal: a download's progress and warnings are shown.
    """
    python_stderr, terminal = sys.stderr, os.dup(2)
    with tempfile.TemporaryFile() as held_back, os.fdopen(terminal, "w", buffering=1) as still_shown:
        sys.stderr = still_shown
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except ExpectedError:
            raise
        except Exception:
            held_back.seek(0)
            os.write(terminal, held_back.read())
            raise
        finally:
            os.dup2(terminal, 2)
            sys.stderr = python_stderr
