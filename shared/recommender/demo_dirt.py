"""What goes wrong in real logs, for the demo logs: 2 to 5 rows in 100 that cleaning must drop, and odd countries."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shared.recommender.demo_journeys import INSTALL, NONE, VIEW, Events

Numbers = NDArray[np.int64]

_REPEATED = 0.012  # sent again by an impatient client
_WITHOUT_ID = 0.03  # no dirt: clients of old send no event_id
_BROKEN_LINES, _CUT_AT = 0.001, 50
_BOT_ROWS, _ROWS_OF_A_BOT = 0.01, (1_200, 4_000)  # the latter on its one day
_PUSHED, _INSTALLED = 0.8, 0.5  # share of what a bot does for one app; share of installs, not views
_ODD = {
    "time": (0.003, ("2026-09-31T10:00:00Z", "2026-09-07 10:00:00", "1790000000", "10:00:00", "epoch", "")),
    "user_id": (0.003, ("", None, "anonymous user", "u-" + "0" * 80)),
    "event": (0.002, ("instal", "View", "view ", "", None)),
    "item_id": (0.003, ("", "app 17", "undefined?", " app-000001")),
    "country": (0.012, ("us", "de", "UK", "uk", "", None, "XX", "EN", "USA", " FR")),
}
_LATE = 0.002  # rows that come a day after they happened


def bots(n_rows: int, n_days: int, n_items: int, random: np.random.Generator) -> Events:
    """Return what bots, numbered from 0, do beside so many rows of people: one day far too much, most for one app."""
    count = int(n_rows * _BOT_ROWS / np.mean(_ROWS_OF_A_BOT) + random.random())
    times = random.integers(*_ROWS_OF_A_BOT, count)
    pushed = np.repeat(random.integers(n_items, size=count), times)
    total = times.sum()
    return Events(
        user=np.repeat(np.arange(count), times),
        item=np.where(random.random(total) < _PUSHED, pushed, random.integers(n_items, size=total)),
        day=np.repeat(random.integers(n_days, size=count), times),
        second=random.integers(86_400, size=total),
        kind=np.where(random.random(total) < _INSTALLED, INSTALL, VIEW),
        sought=np.full(total, NONE),
    )


def spoiled(rows: dict[str, Any], day: date, random: np.random.Generator) -> dict[str, Any]:
    """Return a day's rows, one Arrow array of text for each column, with some of them spoiled and some twice."""
    count = len(rows["time"])
    rows = rows | {"event_id": _replaced(rows["event_id"], random.random(count) < _WITHOUT_ID, (None,), random)}
    for name, (share, values) in _ODD.items():
        rows[name] = _replaced(rows[name], random.random(count) < share, values, random)
    late = [f"{day + timedelta(days=days)}T12:00:00Z" for days in (-1, 1)]
    rows["time"] = _replaced(rows["time"], random.random(count) < _LATE, late, random)
    again = np.flatnonzero(random.random(count) < _REPEATED)
    order = pa.array(np.sort(np.concatenate([np.arange(count), again])))
    return {name: column.take(order) for name, column in rows.items()}


def cut_lines(lines: Any, random: np.random.Generator) -> Any:  # noqa: ANN401 - PyArrow has no types
    """Return JSON lines of which a few are cut short, as where a machine went down."""
    is_cut = pa.array(random.random(len(lines)) < _BROKEN_LINES)
    cut = pc.binary_join_element_wise(pc.utf8_slice_codeunits(lines.filter(is_cut), 0, _CUT_AT), "\n", "")
    return pc.replace_with_mask(lines, is_cut, cut)


def _replaced(column: Any, where: NDArray[np.bool_], values: Any, random: np.random.Generator) -> Any:  # noqa: ANN401
    chosen = pa.array(random.integers(len(values), size=int(where.sum())))
    return pc.replace_with_mask(column, pa.array(where), pa.array(values, pa.string()).take(chosen))
