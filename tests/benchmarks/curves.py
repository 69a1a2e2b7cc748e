"""Measure and draw what step 3's README shows: `python -m tests.benchmarks.curves [batching] [runtimes]`.

The tables are printed in Markdown; the pictures go into step3_microservices/pictures.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.app.serving import ROOT
from tests.benchmarks.microservices.batching import CLIENTS, PRECISIONS, SIZES, Point, points
from tests.benchmarks.microservices.ladder import BATCH_SIZE, Rung, rungs
from tests.benchmarks.photographs import write_photographs
from tests.benchmarks.plots import Plot, Series, bars, lines

PICTURES_FOLDER = ROOT / "step3_microservices" / "pictures"
PHOTOGRAPHS = 40
MODEL = "InceptionV3"


def batching() -> None:
    """The batching curve: one picture for images per second, one for the time that a request takes."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        photographs = [path.read_bytes() for path in write_photographs(folder, PHOTOGRAPHS)]
        found = list(points(folder, photographs))
    rows = [
        (p.precision, p.clients, p.max_batch_size, f"{p.images_per_s:.1f}", f"{p.p50_ms:.0f}", f"{p.p99_ms:.0f}")
        for p in sorted(found)
    ]
    _print_table(("precision", "clients", "max_batch_size", "images/s", "p50 ms", "p99 ms"), rows)
    speeds = {
        precision: [
            Series(f"{clients} client{'s' * (clients > 1)}", at, _column(found, precision, clients, "images_per_s"))
            for at, clients in enumerate(CLIENTS)
        ]
        for precision in PRECISIONS
    }
    times = {
        precision: [
            Series(f"{clients}: {name[:3]}", at, _column(found, precision, clients, name), dashed=name == "p50_ms")
            for at, clients in enumerate(CLIENTS)
            for name in ("p50_ms", "p99_ms")
        ]
        for precision in PRECISIONS
    }
    sizes = [str(size) for size in SIZES]
    said = "; ".join(
        f"{precision}: " + ", ".join(f"{line.name} {line.values[0]:.0f} to {line.values[-1]:.0f}" for line in panel)
        for precision, panel in speeds.items()
    )
    plot = Plot(
        f"{MODEL}: images per second by size of batch", f"From batches of 1 to 8. {said}.", "max_batch_size", "images/s"
    )
    _write("batching.svg", lines(plot, sizes, speeds))
    plot = Plot(
        f"{MODEL}: time of a request by size of batch, for 1, 8 and 32 clients",
        "Half of the requests (p50, dashed) and all but one in a hundred (p99) take no longer, in milliseconds.",
        "max_batch_size",
        "ms, logarithmic",
    )
    _write("batching_times.svg", lines(plot, sizes, times, log=True))


def runtimes() -> None:
    """The runtime ladder."""
    found = rungs()
    rows = [(name, *(f"{figure:.0f}" for figure in rung)) for name, rung in found.items()]
    _print_table(("runtime", "images/s", f"images/s, batches of {BATCH_SIZE}", "MB"), rows)
    said = "; ".join(f"{name}: {_note(rung)}" for name, rung in found.items())
    plot = Plot(f"{MODEL}: one picture at a time, by runtime", said, "images/s, one picture at a time")
    _write("runtimes.svg", bars(plot, {name: (rung.one_images_per_s, _note(rung)) for name, rung in found.items()}))


def _note(rung: Rung) -> str:
    return f"{rung.one_images_per_s:.0f} images/s, {rung.resident_mb:,.0f} MB"


def _column(found: Sequence[Point], precision: str, clients: int, name: str) -> list[float]:
    chosen = {p.max_batch_size: getattr(p, name) for p in found if (p.precision, p.clients) == (precision, clients)}
    return [chosen[size] for size in SIZES]


def _print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    for row in (headings, ["---"] * len(headings), *rows):
        print(f"| {' | '.join(map(str, row))} |", flush=True)


def _write(name: str, svg: str) -> None:
    PICTURES_FOLDER.mkdir(exist_ok=True)
    (PICTURES_FOLDER / name).write_text(svg, encoding="utf-8")


DRAWINGS = {"batching": batching, "runtimes": runtimes}

if __name__ == "__main__":
    for asked in sys.argv[1:] or DRAWINGS:
        DRAWINGS[asked]()
