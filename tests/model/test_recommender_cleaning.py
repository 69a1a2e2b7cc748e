"""What cleaning keeps, drops and counts, on DuckDB; that Spark does the same: test_recommender_cleaning_spark.py."""

import json
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from shared.recommender.cleaning_days import clean, days_to_clean
from shared.recommender.cleaning_engines import DuckDbEngine
from shared.recommender.cleaning_report import CleaningError, day_report
from shared.recommender.cleaning_rules import COUNTRIES, EVENTS_A_PERSON_CAN_MAKE, HALF_WEIGHTS, REASONS
from shared.recommender.files import LocalFiles
from shared.recommender.logs import EVENTS, LogsError, day_name
from tests.model.recommender_logs import DAY, cleaned, pairs, reasons, rejected, row, write_lines, write_parquet

NEXT_DAY = DAY + timedelta(days=1)


def test_what_somebody_does_with_an_app_is_added_up_for_each_day_and_country(tmp_path: Path):
    write_parquet(
        tmp_path / "logs",
        [
            row("search", None, query="chess"),
            row("view", "chess"),
            row("install", "chess"),
            row("use", "chess"),
            row("use", "chess", country="AT"),
            row("view", "cards", user_id="u-2"),
        ],
    )

    cleaned(tmp_path / "logs", tmp_path)

    assert pairs(tmp_path) == [
        {"user_id": "u-1", "country": "AT", "item_id": "chess", "weight": 1.0, "events": 1},
        {"user_id": "u-1", "country": "DE", "item_id": "chess", "weight": 5.0, "events": 3},
        {"user_id": "u-2", "country": "DE", "item_id": "cards", "weight": 1.0, "events": 1},
    ]


def test_what_was_shown_weighs_nothing_and_a_click_less_than_anything_done_unasked(tmp_path: Path):
    events = ("impression", "dismiss", "uninstall", "click")
    write_parquet(tmp_path / "logs", [row(event, f"after-{event}") for event in events])

    (report,) = cleaned(tmp_path / "logs", tmp_path)

    assert [(pair["item_id"], pair["weight"]) for pair in pairs(tmp_path)] == [("after-click", 0.5)]
    assert report.kept == 4
    assert set(HALF_WEIGHTS) == set(EVENTS)


@pytest.mark.parametrize(
    "time",
    [
        *("2026", "2026-09", "2026-09-01", "10:00:00", "epoch", "infinity", "1790000000", "", None),
        *("2026-09-01T24:00:00Z", "2026-09-01T10:60:00Z", "2026-09-01 10:00:00", "2026-09-01T10:00:00"),
        *("2026-09-01T10:00:00+02:00", "2026-09-01T10:00:00Z ", "2026-09-01T10:00:00Z\n", "\n2026-09-01T10:00:00Z"),
        *("2026-09-01T10:00:00.5Z", "2026-09-01t10:00:00z", "٢٠٢٦-09-01T10:00:00Z"),
    ],
)
def test_a_time_of_another_shape_than_the_one_is_no_time(tmp_path: Path, time: str | None):
    write_parquet(tmp_path / "logs", [row(time=time), row()])

    (report,) = cleaned(tmp_path / "logs", tmp_path)

    assert reasons(tmp_path) == ["malformed_time"]
    assert report.kept == 1


@pytest.mark.parametrize("time", ["2026-08-31T23:59:59Z", "2026-09-02T00:00:00Z", "2026-09-31T10:00:00Z"])
def test_a_row_of_another_day_is_dropped(tmp_path: Path, time: str):
    write_parquet(
        tmp_path / "logs", [row(time=time), row(time="2026-09-01T00:00:00Z"), row(time="2026-09-01T23:59:59Z")]
    )

    (report,) = cleaned(tmp_path / "logs", tmp_path)

    assert reasons(tmp_path) == ["other_day"]
    assert report.kept == 2


@pytest.mark.parametrize("malformed", ["", None, "a b", " a", "a ", "a\n", "a\tb", "ä", "a" * 65, "a\x00b", "{}", "٣"])
def test_an_id_of_another_shape_is_no_id(tmp_path: Path, malformed: str | None):
    write_parquet(tmp_path / "logs", [row(user_id=malformed), row(item_id=malformed), row(event=malformed)])

    cleaned(tmp_path / "logs", tmp_path)

    assert reasons(tmp_path) == ["malformed_item", "malformed_user", "unknown_event"]


@pytest.mark.parametrize("strange", ["vinyl-f", "f", "v", "A.b_c:d-9", "a" * 64])
def test_an_id_is_kept_letter_by_letter(tmp_path: Path, strange: str):
    write_parquet(tmp_path / "logs", [row(user_id=strange, item_id=strange)])

    cleaned(tmp_path / "logs", tmp_path)

    assert [(pair["user_id"], pair["item_id"]) for pair in pairs(tmp_path)] == [(strange, strange)]


def test_only_a_search_may_lack_an_item(tmp_path: Path):
    write_parquet(tmp_path / "logs", [row("search", None), row("search", ""), row("search", "a b"), row("use", None)])

    (report,) = cleaned(tmp_path / "logs", tmp_path)

    assert reasons(tmp_path) == ["malformed_item", "malformed_item"]
    assert report.kept == 2


@pytest.mark.parametrize(
    ("country", "normalised"),
    [
        *(("DE", "DE"), ("de", "DE"), ("uk", "GB"), ("UK", "GB"), ("EL", "GR")),
        *(
            (None, "ZZ"),
            ("", "ZZ"),
            (" DE", "ZZ"),
            ("DEU", "ZZ"),
            ("XX", "ZZ"),
            ("ß", "ZZ"),
            ("ﬆ", "ZZ"),
            ("D\n", "ZZ"),
        ),
    ],
)
def test_a_country_is_normalised_and_never_a_reason_to_drop_a_row(tmp_path: Path, country: str | None, normalised: str):
    write_parquet(tmp_path / "logs", [row(country=country)])

    cleaned(tmp_path / "logs", tmp_path)

    assert [pair["country"] for pair in pairs(tmp_path)] == [normalised]
    assert len(COUNTRIES) == 249


def test_an_event_id_counts_once(tmp_path: Path):
    write_parquet(
        tmp_path / "logs", [row(event_id="e"), row(event_id="e", item_id="app-2"), row(event_id="e", user_id="u-2")]
    )

    cleaned(tmp_path / "logs", tmp_path)

    assert [pair["item_id"] for pair in pairs(tmp_path)] == ["app-1"]
    assert reasons(tmp_path) == ["duplicate", "duplicate"]


def test_without_an_event_id_the_whole_row_counts_once(tmp_path: Path):
    rows = [row(event_id=None), row(event_id=None), row(event_id="no id!"), row(event_id=None, time=f"{DAY}T10:00:01Z")]
    write_parquet(tmp_path / "logs", rows)

    (report,) = cleaned(tmp_path / "logs", tmp_path)

    assert reasons(tmp_path) == ["duplicate"]
    assert report.kept == 3


def test_a_malformed_row_does_not_make_a_good_one_its_duplicate(tmp_path: Path):
    write_parquet(tmp_path / "logs", [row(event_id="e", user_id=""), row(event_id="e")])

    (report,) = cleaned(tmp_path / "logs", tmp_path)

    assert reasons(tmp_path) == ["malformed_user"]
    assert report.kept == 1


def test_who_does_more_in_a_day_than_a_person_can_is_a_bot_that_day(tmp_path: Path):
    busy = [row(user_id="busy") for _ in range(EVENTS_A_PERSON_CAN_MAKE)]
    impatient = [row(user_id="impatient", event_id="e") for _ in range(2 * EVENTS_A_PERSON_CAN_MAKE)]
    bot = [row(user_id="bot") for _ in range(EVENTS_A_PERSON_CAN_MAKE + 1)]
    write_parquet(tmp_path / "logs", [*busy, *impatient, *bot])
    write_parquet(tmp_path / "logs", [row(user_id="bot", time=f"{NEXT_DAY}T10:00:00Z")], NEXT_DAY)

    first, second = cleaned(tmp_path / "logs", tmp_path)

    assert [pair["user_id"] for pair in pairs(tmp_path)] == ["busy", "impatient"]
    assert first.dropped["bot"] == EVENTS_A_PERSON_CAN_MAKE + 1
    assert second.kept == 1


def test_lines_that_are_no_objects_are_counted_and_the_rest_is_kept(tmp_path: Path):
    broken = [b'{"time":"2026-09-01T10:0', b"[1, 2]", b'"text"', b"42", b"null", b"{}", b'{"time":"x"} and more']
    write_lines(
        tmp_path / "logs", [row(), *broken, b"", b"   ", b'{"unknown":1}', row(user_id=7), row(user_id={"a": 1})]
    )

    (report,) = cleaned(tmp_path / "logs", tmp_path)

    assert report.rows_in == 11
    assert report.dropped["broken_line"] == 8
    assert report.dropped["malformed_user"] == 1
    assert [pair["user_id"] for pair in pairs(tmp_path)] == ["7", "u-1"]


def test_what_was_dropped_is_set_aside_as_it_came(tmp_path: Path):
    odd = row(user_id="no id", country="uk", query=" 'quoted' ")
    write_parquet(tmp_path / "logs", [odd, row()])

    cleaned(tmp_path / "logs", tmp_path)

    assert rejected(tmp_path) == [{**odd, "reason": "malformed_user"}]


def test_logs_of_old_may_lack_columns_that_came_later(tmp_path: Path):
    write_parquet(tmp_path / "logs", [row()])
    path = tmp_path / "logs" / day_name(DAY) / "part-0.parquet"
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["event_id", "query"]), path)

    (report,) = cleaned(tmp_path / "logs", tmp_path)

    assert report.kept == 1


def test_the_report_balances_by_day_and_in_total(tmp_path: Path):
    write_parquet(tmp_path / "logs", [row(), row(user_id=""), row(event="?")])
    write_parquet(tmp_path / "logs", [row(time="?")], NEXT_DAY)

    cleaned(tmp_path / "logs", tmp_path)

    report = json.loads((tmp_path / "report.json").read_text())
    for part in (report["total"], *report["days"].values()):
        assert part["rows_in"] == part["kept"] + sum(part["dropped"].values())
        assert tuple(part["dropped"]) == REASONS
    assert report["total"]["rows_in"] == 4
    assert pairs(tmp_path, NEXT_DAY) == []


def test_rows_that_get_lost_or_become_more_stop_the_cleaning():
    for counts in ({("2026-09-01", None): 1}, {("2026-09-01", None): 3}, {("2026-09-01", "unheard of"): 2}):
        with pytest.raises(CleaningError, match="2 rows came in"):
            day_report("2026-09-01", 2, counts, 0, 0)


def test_a_new_day_is_added_without_reading_the_old_ones(tmp_path: Path):
    write_parquet(tmp_path / "logs", [row()])
    cleaned(tmp_path / "logs", tmp_path)
    before = (tmp_path / "interactions" / day_name(DAY) / "pairs.parquet").stat()
    write_parquet(tmp_path / "logs", [row(time=f"{NEXT_DAY}T10:00:00Z")], NEXT_DAY)
    broken = tmp_path / "logs" / day_name(DAY) / "part-0.parquet"
    broken.write_bytes(b"?" * broken.stat().st_size)

    reports = cleaned(tmp_path / "logs", tmp_path)

    assert [report.day for report in reports] == ["2026-09-02"]
    assert (tmp_path / "interactions" / day_name(DAY) / "pairs.parquet").stat() == before
    assert json.loads((tmp_path / "report.json").read_text())["total"]["days"] == 2


def test_a_day_whose_logs_have_grown_is_cleaned_again(tmp_path: Path):
    write_parquet(tmp_path / "logs", [row()])
    cleaned(tmp_path / "logs", tmp_path)
    write_parquet(tmp_path / "logs", [row(item_id="app-2")], name="part-1.parquet")

    cleaned(tmp_path / "logs", tmp_path)

    assert [pair["item_id"] for pair in pairs(tmp_path)] == ["app-1", "app-2"]
    assert sorted(path.name for path in (tmp_path / "interactions").iterdir()) == [day_name(DAY)]


def test_one_day_after_the_other_gives_the_same_as_all_at_once(tmp_path: Path):
    for number in range(3):
        day = DAY + timedelta(days=number)
        write_parquet(tmp_path / "logs", [row(time=f"{day}T10:00:00Z", item_id=f"app-{n}") for n in range(5)], day)
    cleaned(tmp_path / "logs", tmp_path / "at-once")
    with DuckDbEngine("1GB", str(tmp_path / "scratch")) as engine:
        engine.bytes_at_once = 1

        cleaned(tmp_path / "logs", tmp_path / "by-day", engine)

    for number in range(3):
        day = DAY + timedelta(days=number)
        assert pairs(tmp_path / "by-day", day) == pairs(tmp_path / "at-once", day)


def test_only_the_days_asked_for_are_cleaned(tmp_path: Path):
    for number in range(3):
        write_parquet(tmp_path / "logs", [row()], DAY + timedelta(days=number))

    days = days_to_clean(LocalFiles(), str(tmp_path / "logs"), str(tmp_path), NEXT_DAY, NEXT_DAY)

    assert [day.day for day in days] == [NEXT_DAY]
    with pytest.raises(LogsError, match="no logs of the days asked for"):
        days_to_clean(LocalFiles(), str(tmp_path / "logs"), str(tmp_path), date(2027, 1, 1))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "no folder"),
        ({"readme.txt": b"?"}, "holds no logs"),
        ({"day=2026-09-31/part-0.jsonl": b"{}"}, "names no day"),
        ({"day=yesterday/part-0.jsonl": b"{}"}, "names no day"),
        ({"day=2026-09-01/readme.txt": b"?"}, "holds no part"),
        ({"day=2026-09-01/part-0.jsonl": b""}, "is empty"),
        ({"day=2026-09-01/part-0.jsonl": b"{}", "day=2026-09-01/part-1.jsonl.tmp": b"{"}, "still being written"),
        ({"day=2026-09-01/part-0.jsonl": b"{}", "day=2026-09-01/_temporary/0": b""}, "still being written"),
        ({"day=2026-09-01/part-0.jsonl": b"{}", "day=2026-09-01/part-0.parquet": b"PAR1"}, "both"),
        ({"day=2026-09-01/part-0.parquet": b"PAR1 and no end"}, "cannot be read"),
    ],
)
def test_logs_that_are_empty_or_half_written_are_a_clear_error(tmp_path: Path, files: dict[str, bytes], words: str):
    for name, contents in files.items():
        path = tmp_path / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)

    with pytest.raises(LogsError, match=words):
        cleaned(tmp_path / "logs", tmp_path / "output")


def test_parquet_of_something_else_is_a_clear_error(tmp_path: Path):
    write_parquet(tmp_path / "logs", [row()])
    path = tmp_path / "logs" / day_name(DAY) / "part-0.parquet"
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["user_id"]), path)

    with pytest.raises(LogsError, match="no column user_id"):
        cleaned(tmp_path / "logs", tmp_path)


def test_a_damaged_day_leaves_those_before_it_published_and_nothing_of_itself(tmp_path: Path):
    for number in range(3):
        write_parquet(tmp_path / "logs", [row()], DAY + timedelta(days=number))
    path = tmp_path / "logs" / day_name(NEXT_DAY) / "part-0.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with DuckDbEngine("1GB", str(tmp_path / "scratch")) as engine:
        engine.bytes_at_once = 1

        with pytest.raises(LogsError, match="2026-09-02"):
            cleaned(tmp_path / "logs", tmp_path / "output", engine)

    assert [path.name for path in (tmp_path / "output" / "interactions").iterdir()] == [day_name(DAY)]
    assert sorted(path.name for path in (tmp_path / "output").iterdir()) == ["interactions", "rejected"]


def test_a_day_without_its_report_is_cleaned_again(tmp_path: Path):
    write_parquet(tmp_path / "logs", [row()])
    cleaned(tmp_path / "logs", tmp_path)
    (tmp_path / "interactions" / day_name(DAY) / "_report.json").write_text('{"half":')

    assert len(cleaned(tmp_path / "logs", tmp_path)) == 1
    assert cleaned_nothing(tmp_path)


def cleaned_nothing(folder: Path) -> bool:
    return cleaned(folder / "logs", folder) == []


def test_what_does_not_fit_into_memory_goes_to_disk_and_what_does_not_fit_at_all_is_told(tmp_path: Path):
    write_parquet(tmp_path / "logs", [row(query=f"{n} " * 200) for n in range(30_000)])
    days = days_to_clean(LocalFiles(), str(tmp_path / "logs"), str(tmp_path))

    with DuckDbEngine("120MB", str(tmp_path / "scratch"), threads=1) as engine:
        (report,) = clean(engine, days, str(tmp_path), lambda _: None)
    with (
        DuckDbEngine("5MB", str(tmp_path / "scratch"), threads=1) as engine,
        pytest.raises(LogsError, match="do not fit"),
    ):
        clean(engine, days, str(tmp_path), lambda _: None)

    assert report.rows_in == 30_000
    assert not (tmp_path / "scratch").exists()
