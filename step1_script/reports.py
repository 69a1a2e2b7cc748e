"""Where answers and failures go: a stream or a file, the terminal's bars, and the person who waits."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TextIO

from rich.console import Console

from shared.classifier.predictions import Answer
from shared.errors import ExpectedError
from step1_script.exits import OutputError
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
        sys.stderr.write(f"{source}: {error.detail} {error.remedy} [{error.code}]\n")
        self.failed += 1
        self._advance()


@contextmanager
def open_report(options: Options) -> Iterator[Report]:
    """Open the report that the options ask for, and complete it whatever happens.

    Raises OutputError where answers cannot be written; BrokenPipeError, if the reader has gone, is left to the caller.
    """
    try:
        with ExitStack() as stack:
            stream = stack.enter_context(options.output.open("w", encoding="utf-8")) if options.output else sys.stdout
            drawn = options.format == "text" and stream.isatty()
            console = Console(stderr=not drawn, highlight=False)
            writer: Writer = TerminalWriter(console) if drawn else WRITERS[options.format](stream)
            stack.callback(writer.end)
            report = Report(writer, stack.enter_context(_progress(options, console, stream)))
            yield report
            _sum_up(report)
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


def _sum_up(report: Report) -> None:
    if report.answered + report.failed > 1:
        sys.stderr.write(f"{report.answered} answered, {report.failed} failed.\n")
