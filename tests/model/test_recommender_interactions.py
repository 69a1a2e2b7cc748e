"""Day partitions become arrays, or say what is wrong with them."""

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.recommender.interactions import NO_COUNTRY, InteractionsError, read_interactions
from tests.model.recommender_worlds import FIRST_DAY, interactions

ITEMS = ["chess", "maps", "radio"]


def write_day(folder, day, rows):
    """Rows of (user_id, country, item_id, weight)."""
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
    kinds = (pa.string(), pa.string(), pa.string(), pa.float64())
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    path = folder / f"day={day}"
    path.mkdir(parents=True)
    pq.write_table(pa.table(arrays, names=["user_id", "country", "item_id", "weight"]), path / "pairs.parquet")


def test_days_are_read_under_the_numbers_of_the_catalogue(tmp_path):
    write_day(tmp_path, "2026-09-02", [("ben", "JP", "maps", 2.0)])
    write_day(tmp_path, "2026-09-01", [("ann", "DE", "radio", 1.0), ("ben", "DE", "maps", 3.0)])

    read = read_interactions(tmp_path, ITEMS)

    rows = zip(read.users, read.items, read.countries, read.weights, strict=True)
    assert [(read.user_ids[u], ITEMS[i], read.country_codes[c], w) for u, i, c, w in rows] == [
        ("ann", "radio", "DE", 1.0),
        ("ben", "maps", "DE", 3.0),
        ("ben", "maps", "JP", 2.0),
    ]
    assert (read.first_day, read.last_day) == (date(2026, 9, 1), date(2026, 9, 2))


def test_later_days_and_items_that_the_catalogue_lacks_are_left_out(tmp_path):
    write_day(tmp_path, "2026-09-01", [("ann", "DE", "radio", 1.0), ("ann", "DE", "withdrawn", 1.0)])
    write_day(tmp_path, "2026-09-02", [("ann", "DE", "maps", 1.0)])

    read = read_interactions(tmp_path, ITEMS, until=date(2026, 9, 1))

    assert [ITEMS[item] for item in read.items] == ["radio"]


def test_a_day_on_which_nothing_happened_is_no_failure(tmp_path):
    write_day(tmp_path, "2026-09-01", [])
    write_day(tmp_path, "2026-09-02", [("ann", "DE", "maps", 1.0)])

    assert len(read_interactions(tmp_path, ITEMS)) == 1


def nothing_at_all(folder):
    pass


def no_file(folder):
    (folder / "day=2026-09-02").mkdir()


def half_a_file(folder):
    write_day(folder, "2026-09-02", [("ann", "DE", "maps", 1.0)] * 1000)
    path = folder / "day=2026-09-02" / "pairs.parquet"
    path.write_bytes(path.read_bytes()[:-100])


def no_date(folder):
    write_day(folder, "yesterday", [("ann", "DE", "maps", 1.0)])


def a_column_is_missing(folder):
    (folder / "day=2026-09-02").mkdir()
    pq.write_table(pa.table({"user_id": ["ann"]}), folder / "day=2026-09-02" / "pairs.parquet")


def no_user(folder):
    write_day(folder, "2026-09-02", [(None, "DE", "maps", 1.0)])


def no_number(folder):
    write_day(folder, "2026-09-02", [("ann", "DE", "maps", float("nan"))])


def another_catalogue(folder):
    write_day(folder, "2026-09-02", [("ann", "DE", "withdrawn", 1.0)])


@pytest.mark.parametrize(
    "spoil",
    [nothing_at_all, no_file, half_a_file, no_date, a_column_is_missing, no_user, no_number, another_catalogue],
    ids=lambda function: function.__name__,
)
def test_what_is_no_set_of_interactions_is_refused_with_its_name(tmp_path, spoil):
    spoil(tmp_path)

    with pytest.raises(InteractionsError, match=tmp_path.name):
        read_interactions(tmp_path, ITEMS)


def test_weights_of_the_same_item_add_up_and_halve_with_age():
    rows = interactions([(0, 0, 0, 0, 4), (0, 0, 0, 10, 1), (1, 1, 0, 10, 2)])

    weights = rows.weight_matrix(rows.last_day, half_life_days=10).toarray()

    assert weights.tolist() == [[4 / 2 + 1, 0], [0, 2]]
    assert rows.weight_matrix(rows.last_day, half_life_days=10).dtype == np.float32


def test_somebody_is_at_home_where_most_of_their_rows_are():
    rows = interactions([(0, 0, 0, 3, 1), (0, 1, 1, 5, 1), (0, 2, 0, 4, 1)], n_users=2)

    assert rows.user_countries.tolist() == [0, NO_COUNTRY]


def test_an_item_is_available_where_somebody_who_is_at_home_there_took_it():
    rows = interactions([(0, 0, 0, 0, 1), (1, 1, 1, 0, 1), (1, 0, 1, 1, 1)], n_items=3)
    with_a_traveller = interactions([(0, 0, 0, 0, 1), (0, 1, 0, 1, 1), (0, 2, 1, 2, 1), (1, 1, 1, 0, 1)])

    assert rows.available.tolist() == [[True, False, False], [True, True, False]]
    assert with_a_traveller.available.tolist() == [[True, True, False], [False, True, False]]


def test_days_are_cut_out_under_the_same_numbers():
    rows = interactions([(0, 0, 0, 0, 1), (1, 1, 1, 1, 1), (2, 2, 0, 2, 1)])
    second = date(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day + 1)

    assert rows.before(second).users.tolist() == [0]
    assert rows.since(second).users.tolist() == [1, 2]
    assert rows.since(second).user_ids == rows.user_ids


def test_an_unknown_country_is_none_and_what_was_only_shown_is_not_taken(tmp_path):
    write_day(tmp_path, "2026-09-01", [("ann", "DE", "radio", 1.0), ("ben", "ZZ", "maps", 1.0)])
    write_day(tmp_path, "2026-09-02", [("ann", "ZZ", "chess", 1.0), ("ben", "DE", "chess", 0.0)])

    read = read_interactions(tmp_path, ITEMS)

    homes = [read.country_codes[home] if home != NO_COUNTRY else None for home in read.user_countries]
    assert dict(zip(read.user_ids, homes, strict=True)) == {"ann": "DE", "ben": None}
    assert read.taken.sum() == 3
    assert [ITEMS[item] for item in np.flatnonzero(read.available.any(axis=0))] == ["radio"]


def test_what_cleaning_wrote_may_be_named_as_a_whole(tmp_path):
    write_day(tmp_path / "interactions", "2026-09-01", [("ann", "DE", "radio", 1.0)])

    assert len(read_interactions(tmp_path, ITEMS)) == 1
