"""What only a person at a terminal sees: bars for probabilities, and progress."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from shared.classifier.predictions import Answer
from shared.errors import ExpectedError

_BAR_CELLS = 32


class TerminalWriter:
    """Draws each answer as labelled bars."""

    def __init__(self, console: Console) -> None:
        """Draw on that console."""
        self._console = console

    def answer(self, source: str, answer: Answer) -> None:
        """Draw the answer to one picture."""
        facts, model = answer.image, answer.model_version.model
        bars = Table.grid(padding=(0, 2))
        bars.add_column(no_wrap=True)  # what a narrow terminal shows to the last is the number
        width = min(_BAR_CELLS, self._console.width // 3)
        for prediction in answer.predictions:
            bar = ProgressBar(total=1, completed=prediction.probability, width=width)
            bars.add_row(f"{prediction.probability:7.2%}", bar, Text(prediction.label))
        note = f"{facts.width} x {facts.height} {facts.format}, {model}, {sum(answer.timings_ms.values()):.0f} ms"
        self._console.print(Text.assemble((source, "bold"), "  ", (note, "dim")), soft_wrap=True)
        self._console.print(Padding(bars, (0, 0, 1, 2)))

    def failure(self, source: str, error: ExpectedError) -> None:
        """Leave it to the report, which tells failures on stderr."""

    def end(self) -> None:
        """Nothing is left open."""


@contextmanager
def progress_bar(console: Console, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar below what is printed meanwhile; yield the function that moves it on by one picture."""
    columns = (TextColumn("pictures"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, redirect_stdout=False, transient=True) as progress:
        task = progress.add_task("pictures", total=total)
        yield lambda: progress.advance(task)
