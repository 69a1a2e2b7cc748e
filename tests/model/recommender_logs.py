"""Logs written by hand, one row after another, and what cleaning makes of them."""

import json
from collections.abc import Sequence
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shared.recommender.cleaning_days import clean, days_to_clean
from shared.recommender.cleaning_engines import DuckDbEngine, Engine
from shared.recommender.cleaning_report import DayReport
from shared.recommender.logs import COLUMNS, day_name

DAY = date(2026, 9, 1)

_NUMBERS = count()
Row = dict[str, Any]


def row(event: object = "view", item_id: object = "app-1", **columns: object) -> Row:
    """A row that nothing is wrong with but for what is said here; each has an event_id of its own."""
    usual = {"time": f"{DAY}T10:00:00Z", "event_id": f"e-{next(_NUMBERS)}", "user_id": "u-1", "country": "DE"}
    return usual | {"event": event, "item_id": item_id, "query": None} | columns


def write_parquet(logs: Path, rows: Sequence[Row], day: date = DAY, name: str = "part-0.parquet") -> None:
    folder = logs / day_name(day)
    folder.mkdir(parents=True, exist_ok=True)
    columns = {column: pa.array([row[column] for row in rows], pa.string()) for column in COLUMNS}
    pq.write_table(pa.table(columns), folder / name)


def write_lines(logs: Path, lines: Sequence[Row | bytes], day: date = DAY) -> None:
    folder = logs / day_name(day)
    folder.mkdir(parents=True, exist_ok=True)
    texts = (line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    (folder / "part-0.jsonl").write_bytes(b"\n".join(texts) + b"\n")


def cleaned(logs: Path, output: Path, engine: Engine | None = None) -> list[DayReport]:
    """Clean what is not clean yet."""
    if engine is None:
        with DuckDbEngine("1GB", str(output / "scratch")) as duckdb:
            return cleaned(logs, output, duckdb)
    return clean(engine, days_to_clean(engine.files, str(logs), str(output)), str(output), lambda _: None)


def pairs(output: Path, day: date = DAY) -> list[Row]:
    """The day's interactions, in order of user, item and country."""
    path = output / "interactions" / day_name(day) / "pairs.parquet"
    rows: list[Row] = pq.read_table(path, partitioning=None).to_pylist()
    return sorted(rows, key=lambda pair: (pair["user_id"], pair["item_id"], pair["country"]))


def rejected(output: Path, day: date = DAY) -> list[Row]:
    """The day's dropped rows, in one order whatever wrote them."""
    path = output / "rejected" / day_name(day) / "rows.parquet"
    rows: list[Row] = pq.read_table(path, partitioning=None).to_pylist()
    return sorted(rows, key=lambda row: [str(value) for value in row.values()])


def reasons(output: Path, day: date = DAY) -> list[str]:
    return sorted(row["reason"] for row in rejected(output, day))
