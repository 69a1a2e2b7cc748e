"""Where answers and failures go: a stream or a file, the terminal's bars, and the person who waits."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console

from shared.classifier.predictions import Answer
from shared.errors import ExpectedError
from step1_script.exits import OutputError, tell
from step1_script.options import Options
from step1_script.sources import find_sources
from step1_script.terminal import TerminalWriter, progress_bar
from step1_script.writers import WRITERS, Writer


class Report:
    """Hands on what becomes of each picture, and counts."""

    def __init__(self, writer: Writer, advance: Callable[[], None]) -> None:
        """Give answers to `writer`, and call `advance` after each picture."""
        self._writer = writer
        self._advance = advance
        self.answered = 0
        self.failed = 0

    def answer(self, source: str, answer: Answer) -> None:
        """Report the answer to one picture."""
        self._writer.answer(source, answer)
        self.answered += 1
        self._advance()

    def failure(self, source: str, error: ExpectedError) -> None:
        """Report, also to the person who waits, why one picture has no answer."""
        self._writer.failure(source, error)
        tell(f"{source}: {error.detail} {error.remedy} [{error.code}]")
        self.failed += 1
        self._advance()


@contextmanager
def open_report(options: Options) -> Iterator[Report]:
    """Open the report that the options ask for, and complete it whatever happens.

    Raises OutputError where answers cannot be written; BrokenPipeError, if the reader has gone, is left to the caller.
    """
    with _told_as_output_error(), ExitStack() as stack:
        stream = stack.enter_context(_open(options.output, options.sources)) if options.output else sys.stdout
        drawn = options.format == "text" and stream.isatty()
        console = Console(stderr=not drawn, highlight=False)
        advance = stack.enter_context(_progress(options, console, stream))
        writer: Writer = TerminalWriter(console) if drawn else WRITERS[options.format](stream)
        stack.callback(writer.end)
        report = Report(writer, advance)
        yield report
        if report.answered + report.failed > 1:
            tell(f"{report.answered} answered, {report.failed} failed.")


def _open(output: Path, sources: list[str]) -> TextIO:
    if output.exists() and any(os.path.exists(source) and output.samefile(source) for source in sources):  # noqa: PTH110
        raise OutputError(f"{output} is one of the pictures.", "Name another file: this one would be overwritten.")
    return output.open("w", encoding="utf-8")


@contextmanager
def _told_as_output_error() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(
            f"The answers cannot be written: {error.strerror}.", "Check --output and the disk."
        ) from error


@contextmanager
def _progress(options: Options, console: Console, stream: TextIO) -> Iterator[Callable[[], None]]:
    """Yield what moves the progress on: a bar, where a person watches several pictures being answered.

    Records that go to the same terminal as the bar would be torn by it, and show the progress themselves.
    """
    watched = console.is_terminal and not (stream.isatty() and console.stderr)
    total = sum(1 for _ in find_sources(options.sources)) if watched else 0
    if total > 1:
        with progress_bar(console, total) as advance:
            yield advance
    else:
        yield lambda: None
