"""Draw what becomes of a trace: what was asked for, and workers, age and refusals under each rule."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape

import numpy as np

from tests.benchmarks.plots import COLOURS, LEFT, RIGHT, WIDTH, Plot
from tests.benchmarks.scaling.arrivals import Trace
from tests.benchmarks.scaling.simulation import Run, Series

ROW, BETWEEN, TOP, BOTTOM, POINTS = 96, 40, 84, 40, 240

Reduce = Callable[[Series], float]
Lines = Sequence[tuple[int, Sequence[float]]]


def drawn(trace: Trace, runs: Mapping[str, Run]) -> str:
    """Return an SVG file with a row for each figure and a line for each rule."""
    some = next(iter(runs.values()))
    rows: list[tuple[str, Lines]] = [
        ("asked for, images/s", [(0, _reduced(some.asked / some.step_s, np.mean))]),
        ("workers", [(n, _reduced(run.workers, np.mean)) for n, run in enumerate(runs.values())]),
        (
            "age of the oldest that waits, ms",
            [(n, _reduced(run.age_s * 1e3, np.max)) for n, run in enumerate(runs.values())],
        ),
        (
            "refused, images/s",
            [(n, _reduced(run.refused / run.step_s, np.mean)) for n, run in enumerate(runs.values())],
        ),
    ]
    said = "; ".join(
        f"{name}: {run.refused_share:.1%} refused, {run.worker_hours:.1f} worker hours" for name, run in runs.items()
    )
    plot = Plot(f"Workers for {trace.what}", f"{said}.", "")
    hours = trace.lasts_s > 2 * 3600
    ends = f"{trace.lasts_s / 3600:g} h" if hours else f"{trace.lasts_s / 60:g} min"
    return plot.svg(TOP + len(rows) * (ROW + BETWEEN) - BETWEEN + BOTTOM, _parts(rows, list(runs), ends))


def _parts(rows: Sequence[tuple[str, Lines]], names: Sequence[str], ends: str) -> Iterator[str]:
    for number, name in enumerate(names):
        yield _text(16 + number * (WIDTH - 32) / COLOURS, 48, name, f"f{number}")
    for number, (what, lines) in enumerate(rows):
        top = TOP + number * (ROW + BETWEEN)
        highest = max(max(values) for _, values in lines) or 1
        yield _text(LEFT, top - 8, what, "panel")
        for share in (0, 0.5, 1):
            y = top + ROW * (1 - share)
            yield f'<line class="grid" x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}"/>'
            yield _text(LEFT - 6, y + 4, f"{highest * share:.3g}", anchor="end")
        for colour, values in reversed(lines):  # the first is seen best
            places = np.linspace(LEFT, WIDTH - RIGHT, len(values))
            points = (
                f"{x:.1f},{top + ROW * (1 - value / highest):.1f}" for x, value in zip(places, values, strict=True)
            )
            yield f'<polyline class="line s{colour}" points="{" ".join(points)}"/>'
    bottom = TOP + len(rows) * (ROW + BETWEEN) - BETWEEN + 20
    yield _text(LEFT, bottom, "0")
    yield _text(WIDTH - RIGHT, bottom, ends, anchor="end")


def _reduced(values: Series, reduce: Reduce) -> list[float]:
    return [float(reduce(part)) for part in np.array_split(values, POINTS)]


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>'
