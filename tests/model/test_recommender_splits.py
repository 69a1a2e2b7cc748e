"""Past and future do not mix, and if they do, nothing is trained."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from shared.recommender.popularity import country_popularity
from shared.recommender.splits import LeakError, Split, SplitError, check_popularity, check_rows, split_by_day
from tests.model.recommender_worlds import FIRST_DAY, interactions

ROWS = [(user, item, 0, day, 1) for user, item, day in [(0, 0, 0), (0, 1, 8), (1, 0, 9), (1, 2, 10), (2, 2, 14)]]


def test_the_last_week_is_held_back():
    split = split_by_day(interactions(ROWS))

    assert split.cut == FIRST_DAY + timedelta(days=8)
    assert split.train.users.tolist() == [0]
    assert split.test.users.tolist() == [0, 1, 1, 2]


def test_only_what_was_not_taken_before_is_wanted():
    again = [*ROWS, (0, 0, 0, 12, 1)]

    split = split_by_day(interactions(again))

    assert split.wanted.toarray().tolist() == [[0, 1, 0], [1, 0, 1], [0, 0, 1]]


def test_a_stranger_is_met_where_they_ask_and_a_known_user_where_they_were():
    rows = interactions([(0, 0, 0, 0, 1), (0, 1, 1, 9, 1), (1, 1, 1, 9, 1)])

    assert split_by_day(rows, FIRST_DAY + timedelta(days=5)).user_countries.tolist() == [0, 1]


@pytest.mark.parametrize("days", [0, 15], ids=["before all", "after all"])
def test_a_day_that_leaves_one_side_empty_is_refused(days):
    with pytest.raises(SplitError, match="2026-09-01 to 2026-09-15"):
        split_by_day(interactions(ROWS), FIRST_DAY + timedelta(days=days))


def test_a_clean_split_passes():
    split = split_by_day(interactions(ROWS))
    model = country_popularity()
    model.fit(split.train)

    check_rows(split, {"item-0": FIRST_DAY})
    check_popularity(model.counts, split)


def test_a_row_in_both_sides_is_found():
    rows = interactions(ROWS)
    split = split_by_day(rows)
    leaking = Split(split.train, rows, split.cut)

    with pytest.raises(LeakError, match="1 rows are on both sides"):
        check_rows(leaking, {})


def test_a_row_of_the_future_is_found():
    split = split_by_day(interactions(ROWS))
    leaking = Split(split.test, split.train, split.cut)

    with pytest.raises(LeakError, match="2026-09-15"):
        check_rows(leaking, {})


def test_an_item_of_the_future_is_found():
    split = split_by_day(interactions(ROWS))

    with pytest.raises(LeakError, match=r"item-0 .* not released before"):
        check_rows(split, {"item-0": split.cut})


def test_popularity_counted_from_the_future_is_found():
    rows = interactions(ROWS)
    split = split_by_day(rows)
    model = country_popularity()
    model.fit(rows)

    with pytest.raises(LeakError, match="item-0 counts as taken by 2"):
        check_popularity(model.counts, split)


def test_the_order_of_rows_changes_no_split():
    rows = interactions(ROWS)
    order = np.array([4, 0, 3, 1, 2])
    columns = {name: getattr(rows, name)[order] for name in ("users", "items", "countries", "days", "weights")}

    one, other = (split_by_day(its) for its in (rows, replace(rows, **columns)))

    assert (one.wanted != other.wanted).nnz == 0
