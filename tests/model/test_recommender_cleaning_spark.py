"""The same program on both engines: every row that one keeps or drops, the other keeps or drops for the same reason."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from shared.recommender.cleaning_engines import Engine
from shared.recommender.cleaning_rules import EVENTS_A_PERSON_CAN_MAKE
from shared.recommender.demo_logs import write_demo_logs
from shared.recommender.demo_truth import DemoSettings, Truth
from shared.recommender.logs import LogsError
from tests.model.recommender_logs import DAY, cleaned, pairs, rejected, row, write_lines, write_parquet
from tests.model.recommender_spark import what_spark_lacks

if LACKING := what_spark_lacks():
    pytest.skip(LACKING, allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")

STRANGE = [
    *(
        "",
        None,
        " ",
        "a b",
        " a",
        "a ",
        "a\n",
        "\ta",
        "v",
        "f",
        "vif",
        "fav\v",
        "\fa",
        "ä",
        "ß",
        "ﬆ",
        "٣",
        "a" * 65,
        "'",
        '"',
    ),
    *("\\", "a\\n", "{}", "a,b", "de", "UK", "us", "XX", "DEU", "2026", "epoch", "infinity", "10:00:00", "a\x00b"),
    *("2026-09-01T24:00:00Z", "2026-09-01T10:00:00+02:00", "2026-09-01T10:00:00Z\n", "2026-09-02T10:00:00Z", "$", "%"),
]
LINES = [
    *(b'{"time":"2026-09-01T10:0', b"[1, 2]", b'"text"', b"42", b"null", b"{}", b"", b"   ", b"\t", b'{"unknown":1}'),
    *(
        b'{"time":"2026-09-01T10:00:00Z"} and more',
        b'[{"time":"2026-09-01T10:00:00Z"}]',
        b'{"time":"\xff\xfe"}',
        b"\xff",
    ),
    *(
        b"{'time':'2026-09-01T10:00:00Z'}",
        b'{"time":2026}',
        b'{"time":true,"user_id":{"a":1}}',
        b'{"time":[1]}',
        b"{{}}",
    ),
    *(
        b'  {"time" : "2026-09-01T10:00:00Z"}  \r',
        b'{"time":"2026-09-01T10:00:00Z",}',
        b'\xef\xbb\xbf{"time":"x"}',
    ),
]


@pytest.fixture(scope="module")
def spark() -> Iterator[Engine]:
    from shared.recommender.cleaning_spark import spark_engine  # noqa: PLC0415 - not where pyspark is missing

    quick = {"spark.sql.shuffle.partitions": "2", "spark.ui.enabled": "false"}
    with spark_engine("local[2]", **quick) as engine:
        yield engine


def same_from_both(logs: Path, folder: Path, spark: Engine, days: list[date]) -> None:
    on_duckdb = cleaned(logs, folder / "duckdb")
    on_spark = cleaned(logs, folder / "spark", spark)

    assert on_spark == on_duckdb
    for day in days:
        assert pairs(folder / "spark", day) == pairs(folder / "duckdb", day)
        assert rejected(folder / "spark", day) == rejected(folder / "duckdb", day)


def test_strange_texts_in_every_column(tmp_path: Path, spark: Engine):
    names = ("time", "event_id", "user_id", "country", "event", "item_id", "query")
    write_parquet(tmp_path / "logs", [row(**{name: text}) for name in names for text in STRANGE])

    same_from_both(tmp_path / "logs", tmp_path, spark, [DAY])


def test_duplicates_and_bots(tmp_path: Path, spark: Engine):
    ids = ("e", "f", None, "no id")
    again = [row(event_id=ids[n % 4], time=f"{DAY}T10:00:0{n % 3}Z", country=("DE", "AT")[n % 2]) for n in range(48)]
    bot = [row(user_id="bot", item_id=f"app-{n % 9}") for n in range(EVENTS_A_PERSON_CAN_MAKE + 1)]
    write_parquet(tmp_path / "logs", again + bot)

    same_from_both(tmp_path / "logs", tmp_path, spark, [DAY])


def test_broken_lines(tmp_path: Path, spark: Engine):
    write_lines(tmp_path / "logs", [row(), *LINES, row("search", None), *(row(user_id=text) for text in STRANGE)])

    same_from_both(tmp_path / "logs", tmp_path, spark, [DAY])


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_demo_logs(tmp_path: Path, spark: Engine, form: str):
    settings = DemoSettings(users=600, items=200, days=3)
    write_demo_logs(Truth.from_settings(settings), tmp_path / "logs", form, 1, lambda _: None)  # type: ignore[arg-type]

    same_from_both(tmp_path / "logs", tmp_path, spark, [settings.date_of(day) for day in range(3)])


def test_a_day_is_added_and_a_changed_one_replaced(tmp_path: Path, spark: Engine):
    write_parquet(tmp_path / "logs", [row()])
    cleaned(tmp_path / "logs", tmp_path, spark)
    write_parquet(tmp_path / "logs", [row(item_id="app-2")], name="part-1.parquet")
    next_day = DAY + timedelta(days=1)
    write_parquet(tmp_path / "logs", [row(time="?")], next_day)

    reports = cleaned(tmp_path / "logs", tmp_path, spark)

    assert [(report.day, report.kept) for report in reports] == [("2026-09-01", 2), ("2026-09-02", 0)]
    assert [pair["item_id"] for pair in pairs(tmp_path)] == ["app-1", "app-2"]
    assert pairs(tmp_path, next_day) == []
    assert cleaned(tmp_path / "logs", tmp_path, spark) == []


def test_half_a_file_is_a_clear_error(tmp_path: Path, spark: Engine):
    write_parquet(tmp_path / "logs", [row()])
    write_parquet(tmp_path / "logs", [row()], name="part-1.parquet")
    path = tmp_path / "logs" / "day=2026-09-01" / "part-1.parquet"
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(LogsError, match="cannot be read"):
        cleaned(tmp_path / "logs", tmp_path / "output", spark)

    assert not (tmp_path / "output" / "interactions").exists()
