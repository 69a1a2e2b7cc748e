"""What whoever waits is told: lines on stderr, and in a terminal a last line that shows what is waited for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.markup import escape


class Progress(Protocol):
    """Where to tell it."""

    def say(self, text: str) -> None:
        """Tell one line."""

    def waiting(self, text: str) -> None:
        """Tell what is waited for, in place of what was before."""


class ConsoleProgress:
    """Tells it on stderr, so that stdout holds results alone."""

    def __init__(self, console: Console) -> None:
        """Show what is waited for on the console's last line where it is a terminal, and nowhere else."""
        self._console = console
        self._status = console.status("")

    def say(self, text: str) -> None:
        """Write one line above the last."""
        self._console.print(escape(text), highlight=False, soft_wrap=True)

    def waiting(self, text: str) -> None:
        """Replace the last line."""
        self._status.update(escape(text))
        self._status.start()

    def stop(self) -> None:
        """Remove the last line."""
        self._status.stop()


@contextmanager
def progress_on_stderr() -> Iterator[ConsoleProgress]:
    """Yield a display, and leave the terminal as it was."""
    progress = ConsoleProgress(Console(file=sys.stderr))
    try:
        yield progress
    finally:
        progress.stop()
