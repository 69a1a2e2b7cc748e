"""SIGTERM or Ctrl-C, for a loop that looks for it between two pieces of work."""

import signal
from contextlib import suppress
from queue import Empty, SimpleQueue


class StopRequest:
    """Waits like a `threading.Event`, and may be set by a signal's handler at any moment.

    Python runs handlers in the main thread, between any two of its instructions. An Event that is set while that very
    thread is inside its `wait` takes a lock which the thread holds already, and the process never ends. Putting into a
    SimpleQueue is made to interrupt anything, getting from it included.
    """

    def __init__(self) -> None:
        """Begin with nothing requested."""
        self._is_set = False
        self._wake: SimpleQueue[None] = SimpleQueue()

    @classmethod
    def by_signal(cls) -> "StopRequest":
        """Return one that SIGTERM and Ctrl-C set from now on; to be called in the main thread."""
        request = cls()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: request.set())
        return request

    def set(self) -> None:
        """Ask to stop, and end a `wait`."""
        self._is_set = True
        self._wake.put(None)

    def is_set(self) -> bool:
        """Return whether it was asked to stop."""
        return self._is_set

    def wait(self, timeout_s: float) -> bool:
        """Wait until it is asked to stop, but no longer than so many seconds; return whether it was."""
        if not self._is_set:
            with suppress(Empty):
                self._wake.get(timeout=timeout_s)
        return self._is_set
