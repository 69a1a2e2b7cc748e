"""Draw lines and bars as SVG: readable on light and dark pages, with a title and a description for who cannot see."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, PANEL_HEIGHT, ROW_HEIGHT = 900, 260, 34
LEFT, RIGHT, TOP, BOTTOM, GAP = 64, 70, 64, 56, 84
NAMES_WIDTH = 220
COLOURS = 4
STYLE = """
  svg { --ink: #1f2328; --faint: #d1d9e0; --c0: #0969da; --c1: #bc4c00; --c2: #1a7f37; --c3: #8250df }
  @media (prefers-color-scheme: dark) {
    svg { --ink: #f0f6fc; --faint: #3d444d; --c0: #58a6ff; --c1: #f0883e; --c2: #3fb950; --c3: #bc8cff }
  }
  text { font: 13px system-ui, sans-serif; fill: var(--ink) }
  .title { font-weight: 600; font-size: 15px } .panel { font-weight: 600 }
  .grid { stroke: var(--faint) }
  .line { fill: none; stroke-width: 2 } .dashed { stroke-dasharray: 5 4 }
"""
PAINT = "\n".join(
    f"  .s{n} {{ stroke: var(--c{n}) }} .f{n} {{ fill: var(--c{n}); stroke: none }}" for n in range(COLOURS)
)

Scale = Callable[[float], float]


@dataclass(frozen=True)
class Series:
    """A line: its name, which colour, and a value for each place on the x axis."""

    name: str
    colour: int
    values: Sequence[float]
    dashed: bool = False


@dataclass(frozen=True)
class Plot:
    """What is said around the drawing."""

    title: str
    description: str
    x_label: str
    y_label: str = ""

    def svg(self, height: float, parts: Iterator[str]) -> str:
        """Return the whole file."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
            f'aria-labelledby="title description">\n<title id="title">{escape(self.title)}</title>\n'
            f'<desc id="description">{escape(self.description)}</desc>\n<style>{STYLE}{PAINT}\n</style>\n'
        )
        return head + "\n".join([_text(16, 24, self.title, "title"), *parts]) + "\n</svg>\n"


def lines(plot: Plot, places: Sequence[str], panels: Mapping[str, Sequence[Series]], *, log: bool = False) -> str:
    """Draw panels side by side, with one scale for all; lines are named at their ends."""
    values = [value for panel in panels.values() for series in panel for value in series.values]
    ticks = _log_ticks(min(values), max(values)) if log else _ticks(max(values))
    bottom = TOP + PANEL_HEIGHT

    def y(value: float) -> float:
        at = (log10(value / ticks[0]) / log10(ticks[-1] / ticks[0])) if log else value / ticks[-1]
        return bottom - at * PANEL_HEIGHT

    def parts() -> Iterator[str]:
        width = (WIDTH - LEFT - RIGHT - GAP * (len(panels) - 1)) / len(panels)
        for number, (name, panel) in enumerate(panels.items()):
            left = LEFT + number * (width + GAP)
            xs = [left + width * (place + 0.5) / len(places) for place in range(len(places))]
            yield _text(left, TOP - 12, name, "panel")
            for tick in ticks:
                yield _line(left, y(tick), left + width, y(tick))
                yield _text(left - 6, y(tick) + 4, f"{tick:g}", anchor="end")
            for x, place in zip(xs, places, strict=True):
                yield _text(x, bottom + 18, place, anchor="middle")
            yield _text(left + width / 2, bottom + 40, plot.x_label, anchor="middle")
            yield from _drawn(panel, xs, y)
        middle = TOP + PANEL_HEIGHT / 2
        yield f'<g transform="rotate(-90 16 {middle})">{_text(16, middle, plot.y_label, anchor="middle")}</g>'

    return plot.svg(bottom + BOTTOM, parts())


def _drawn(panel: Sequence[Series], xs: Sequence[float], y: Scale) -> Iterator[str]:
    free = float("inf")  # names go from the lowest line up, and keep clear of each other
    for series in sorted(panel, key=lambda series: series.values[-1]):
        points = [(x, y(value)) for x, value in zip(xs, series.values, strict=True)]
        path = " ".join(f"{x:.1f},{at:.1f}" for x, at in points)
        yield f'<polyline class="line s{series.colour}{" dashed" * series.dashed}" points="{path}"/>'
        for x, at in points:
            yield f'<circle class="f{series.colour}" cx="{x:.1f}" cy="{at:.1f}" r="3.5"/>'
        free = min(points[-1][1] + 4, free - 14)
        yield _text(xs[-1] + 8, free, series.name, f"f{series.colour}")


def bars(plot: Plot, rows: Mapping[str, tuple[float, str]]) -> str:
    """Draw a bar for each row, with what is to be said of it beside."""
    ticks = _ticks(max(value for value, _ in rows.values()))
    width = WIDTH - NAMES_WIDTH - 190

    def x(value: float) -> float:
        return NAMES_WIDTH + value / ticks[-1] * width

    bottom = TOP + ROW_HEIGHT * len(rows)

    def parts() -> Iterator[str]:
        for tick in ticks:
            yield _line(x(tick), TOP - 6, x(tick), bottom)
            yield _text(x(tick), bottom + 18, f"{tick:g}", anchor="middle")
        for number, (name, (value, note)) in enumerate(rows.items()):
            top = TOP + number * ROW_HEIGHT
            yield _text(NAMES_WIDTH - 10, top + 19, name, anchor="end")
            size = f'width="{x(value) - NAMES_WIDTH:.1f}" height="22"'
            yield f'<rect class="f0" x="{NAMES_WIDTH}" y="{top + 4}" {size} rx="3"/>'
            yield _text(x(value) + 8, top + 19, note)
        yield _text(NAMES_WIDTH + width / 2, bottom + 42, plot.x_label, anchor="middle")

    return plot.svg(bottom + BOTTOM, parts())


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _ticks(highest: float) -> list[float]:
    """Return 0 and up to six round numbers, the last at least as high as what is drawn."""
    step = next(
        size * 10**power for power in range(-3, 9) for size in (1, 2, 2.5, 5) if highest <= 6 * size * 10**power
    )
    return [number * step for number in range(ceil(highest / step) + 1)]


def _log_ticks(lowest: float, highest: float) -> list[float]:
    return [10.0**power for power in range(floor(log10(lowest)), ceil(log10(highest)) + 1)]
