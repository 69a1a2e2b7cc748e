"""The demo logs: what their settings decide, whether they follow their truth, and how much of them is dirt."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from shared.recommender.demo_journeys import Shelves
from shared.recommender.demo_logs import CATALOGUE, write_demo_logs
from shared.recommender.demo_truth import DemoSettings, Truth
from shared.recommender.files import LocalFiles
from shared.recommender.logs import COLUMNS, Format, LogsError, find_days
from tests.model.recommender_logs import cleaned

SETTINGS = DemoSettings(users=3_000, items=300, days=10)


@pytest.fixture(scope="module")
def truth() -> Truth:
    return Truth.from_settings(SETTINGS)


@pytest.fixture(scope="module")
def logs(truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(truth, tmp_path_factory.mktemp("demo") / "logs")


def written(truth: Truth, folder: Path, form: Format = "parquet", threads: int = 1) -> Path:
    write_demo_logs(truth, folder, form, threads, lambda _: None)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_the_same_settings_give_the_same_bytes_on_any_number_of_threads(tmp_path: Path, form: Format, monkeypatch):
    monkeypatch.setattr("shared.recommender.demo_logs.PEOPLE_OF_A_PART", 500)
    settings = replace(SETTINGS, users=1_500)

    once = contents(written(Truth.from_settings(settings), tmp_path / "once", form, 1))
    again = contents(written(Truth.from_settings(settings), tmp_path / "again", form, 3))

    assert once == again
    assert sum("part-" in name for name in once) == 3 * SETTINGS.days


def test_another_seed_is_another_world(truth: Truth):
    other = Truth.from_settings(replace(SETTINGS, seed=2))

    assert not {*truth.user_ids} & {*other.user_ids}
    assert not np.array_equal(truth.world.fortune, other.world.fortune)


def test_logs_lie_in_days_and_all_columns_are_text(logs: Path):
    days = find_days(LocalFiles(), str(logs))

    assert [day.day for day in days] == [SETTINGS.date_of(number) for number in range(SETTINGS.days)]
    schema = pq.read_schema(logs / "day=2026-09-01" / "part-00000.parquet")
    assert tuple(schema.names) == COLUMNS
    assert {str(kind) for kind in schema.types} == {"string"}


def test_the_truth_is_made_again_from_the_folder(truth: Truth, logs: Path):
    again = Truth.read(logs)

    people, day = np.array([0, 7, 2_999]), SETTINGS.date_of(5)
    assert np.array_equal(again.item_probabilities(people, day), truth.item_probabilities(people, day))
    assert again.user_ids == truth.user_ids


def test_without_a_truth_there_is_a_clear_error(tmp_path: Path):
    with pytest.raises(LogsError, match="truth"):
        Truth.read(tmp_path)


def test_chances_add_up_to_one_and_leave_out_what_cannot_be_taken(truth: Truth):
    people = np.arange(SETTINGS.users)

    chances = truth.item_probabilities(people, SETTINGS.first_day)

    assert chances.dtype == np.float32
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-4)
    is_offered = truth.world.success[truth.people.country] > 0
    is_released = truth.world.released <= 0
    assert not chances[~is_offered].any()
    assert not chances[:, ~is_released].any()
    assert is_released.sum() < SETTINGS.items, "no app appears later: the test shows nothing"


def test_apps_are_drawn_as_often_as_the_truth_says(truth: Truth):
    country, taste, day, count = 1, 5, 6, 200_000
    numbers = (np.full(count, number) for number in (country, taste, day))

    drawn = Shelves(truth.world).draw(*numbers, np.random.default_rng(0))

    expected = truth.world.probabilities_on(country, day)[taste]
    found = np.bincount(drawn, minlength=SETTINGS.items) / count
    assert np.abs(found - expected).max() < 5 * np.sqrt(expected.max() / count)
    assert 0.5 * np.abs(found - expected).sum() < 0.03


def test_people_take_what_the_truth_expects_of_their_country(truth: Truth, logs: Path):
    views = "SELECT item_id, count(*) FROM read_parquet(?) WHERE event = 'view' AND country = 'IN' GROUP BY item_id"
    taken = dict(duckdb.execute(views, [f"{logs}/day=*/part-*.parquet"]).fetchall())
    found = np.array([taken.get(item, 0) for item in truth.item_ids], np.float64)
    middle = SETTINGS.first_day + timedelta(days=5)

    expected = truth.country_probabilities("IN", middle)

    # Nobody takes an app twice, which flattens what is most popular; and in these days tastes and fortunes change.
    assert np.corrcoef(np.sqrt(found), np.sqrt(expected))[0, 1] > 0.9


def test_two_to_five_rows_in_a_hundred_are_dirt(truth: Truth, tmp_path: Path):
    many = replace(SETTINGS, users=20_000, days=3)
    logs = written(Truth.from_settings(many), tmp_path / "logs", "jsonl")

    reports = cleaned(logs, tmp_path)

    rows, kept = (sum(getattr(report, name) for report in reports) for name in ("rows_in", "kept"))
    assert 0.02 < 1 - kept / rows < 0.05
    dropped = {reason for report in reports for reason, count in report.dropped.items() if count}
    assert dropped == {*reports[0].dropped}, "a rule of cleaning that nothing in the demo logs breaks"


def test_the_catalogue_names_every_app(truth: Truth, logs: Path):
    apps = pq.read_table(logs / CATALOGUE).to_pylist()

    assert [app["item_id"] for app in apps] == truth.item_ids
    assert all(app["title"] and app["category"] and app["icon"] for app in apps)
    assert len({app["title"] for app in apps}) == len(apps)
    assert [app["released"] <= SETTINGS.first_day for app in apps] == (truth.world.released <= 0).tolist()


def test_nothing_is_overwritten_and_nothing_half_is_left(truth: Truth, logs: Path, tmp_path: Path):
    def fails(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(LogsError, match="exists"):
        written(truth, logs)
    with pytest.raises(KeyboardInterrupt):
        write_demo_logs(truth, tmp_path / "logs", "parquet", 1, fails)

    assert not (tmp_path / "logs").exists()
    assert len(find_days(LocalFiles(), str(written(truth, tmp_path / "logs")))) == SETTINGS.days
