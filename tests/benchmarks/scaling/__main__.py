"""Print and draw what step 5's page on scaling shows: `python -m tests.benchmarks.scaling [--draw]`.

Nothing is measured here, and the same comes out on every machine: what was measured goes in (`worker.py`).
"""

import argparse

from tests.app.serving import ROOT
from tests.benchmarks.scaling.arrivals import TRACES
from tests.benchmarks.scaling.comparison import RULES, runs, worker_hourly
from tests.benchmarks.scaling.drawing import drawn
from tests.benchmarks.scaling.paper import needs

PICTURES = ROOT / "step5_orchestration/scaling/pictures"
LARGE_PER_S = 10_000


def main() -> None:
    """Print the tables, and draw if asked to."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scaling")
    parser.add_argument("--draw", action="store_true", help=f"into {PICTURES.relative_to(ROOT)}")
    draw = parser.parse_args().draw
    _row("arrivals", "rule", "refused", "oldest, ms", "workers, mean", "most", "changes", "dollars an hour")
    _row(*["---"] * 8)
    for name, trace in TRACES.items():
        for rule, run in runs(name).items():
            mean = run.workers.mean()
            counts = (f"{mean:.1f}", f"{run.workers.max():.0f}", run.changes, f"{mean * worker_hourly():.2f}")
            _row(trace.what, rule, f"{run.refused_share:.2%}", f"{run.age_s.max() * 1e3:.0f}", *counts)
        if draw:
            PICTURES.mkdir(parents=True, exist_ok=True)
            shown = {rule: run for rule, run in runs(name).items() if rule in RULES}
            (PICTURES / f"{name}.svg").write_text(drawn(trace, shown), encoding="utf-8")
    print()
    _row(f"{LARGE_PER_S:,} images/s", "")
    _row("---", "---")
    for what, how_much in needs(LARGE_PER_S):
        _row(what, how_much)


def _row(*cells: object) -> None:
    print(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main()
