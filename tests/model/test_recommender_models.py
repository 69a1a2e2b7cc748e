"""One contract for all models, on a board whose right answer is known by eye; and what each promises beside it."""

import sys

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from shared.recommender.behaviour import examine
from shared.recommender.collaborative import Collaborative, Settings
from shared.recommender.collaborative_spark import spark_factors
from shared.recommender.interactions import NO_COUNTRY
from shared.recommender.list_writing import NO_ITEM
from shared.recommender.popularity import Popularity, country_popularity, global_popularity, recent_popularity
from shared.recommender.ranking import best, top_lists
from shared.recommender.spark import SparkUnavailableError
from tests.model.recommender_spark import what_spark_lacks
from tests.model.recommender_worlds import checkerboard, interactions

LACKING = what_spark_lacks()
needs_spark = pytest.mark.skipif(bool(LACKING), reason=LACKING)
SMALL = Settings(factors=2, iterations=10)


def with_spark():
    few = {"spark.sql.shuffle.partitions": "2", "spark.default.parallelism": "2", "spark.ui.enabled": "false"}
    return Collaborative(SMALL, factorise=spark_factors("local[2]", **few), name="collaborative_spark")


MODELS = [
    pytest.param(global_popularity, id="popularity"),
    pytest.param(country_popularity, id="country"),
    pytest.param(recent_popularity, id="recent"),
    pytest.param(lambda: Collaborative(SMALL), id="collaborative"),
    pytest.param(with_spark, id="spark", marks=needs_spark),
]
BOARD = checkerboard()


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    made = request.param()
    made.fit(BOARD)
    return made


def lists_of(model, rows, users):
    lists = {}
    for batch in top_lists(model, np.array(users), rows.user_countries[users], rows.taken):
        lists |= {int(user): its[its != NO_ITEM].tolist() for user, its in zip(*batch, strict=True)}
    return lists


def test_scores_have_a_row_for_each_user_and_a_column_for_each_item(model):
    scores = model.scores(np.array([0, 1, 2]), 0, np.array([5, 7]))

    assert scores.shape == (3, 2)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()


def test_scores_of_an_item_do_not_depend_on_which_others_are_asked_for(model):
    every = model.scores(np.array([0, 1]), 0, np.arange(40))

    assert model.scores(np.array([1]), 0, np.array([30, 3])) == pytest.approx(every[1:, [30, 3]], rel=1e-4)


def test_fitting_again_gives_the_same_scores(model, request):
    again = request.node.callspec.params["model"]()

    again.fit(BOARD)

    users, items = np.arange(40), np.arange(40)
    assert again.scores(users, 0, items) == pytest.approx(model.scores(users, 0, items), abs=2e-2)


def test_a_list_holds_no_item_twice_none_that_is_taken_and_is_in_the_order_of_scores(model):
    for user, its in lists_of(model, BOARD, [0, 1, 38]).items():
        scores = model.scores(np.array([user]), 0, np.array(its))[0]
        assert len({*its}) == len(its) == 20
        assert not {*its} & {*BOARD.taken[user].indices}
        assert (np.diff(scores) <= 0).all()


def test_a_stranger_gets_a_full_list(model):
    assert len(lists_of(model, BOARD, [40])[40]) == 20


def test_what_a_known_history_scores_is_what_its_user_scores(model):
    weights, items = BOARD.weight_matrix(BOARD.last_day), np.arange(40)

    scores = model.scores_for(csr_matrix(weights[[3, 40]]), 0, items)

    assert scores == pytest.approx(model.scores(np.array([3, 40]), 0, items), abs=0.15)


def test_every_rule_of_behaviour_is_kept(model):
    assert [finding for finding in examine(model, BOARD) if not finding.kept] == []


def test_collaborative_filtering_sees_the_board(model):
    if not isinstance(model, Collaborative):
        pytest.skip("popularity does not")

    for user, its in lists_of(model, BOARD, range(40)).items():
        missing = {*range(user % 2, 40, 2)} - {*BOARD.taken[user].indices}
        assert missing == {*its[: len(missing)]}


def test_strangers_are_told_what_their_country_takes_these_days():
    rows = interactions([(user, int(user > 499), int(user > 499), 30, 1) for user in range(900)])
    model = Collaborative(SMALL)
    model.fit(rows)
    nothing = csr_matrix((1, 2), dtype=np.float32)

    tops = [best(model.scores_for(nothing, place, np.arange(2)), np.arange(2))[0, 0] for place in (0, 1, NO_COUNTRY)]

    assert tops == [0, 1, 0]


def test_popularity_counts_a_taker_once_however_often_they_use_it():
    rows = interactions([(0, 0, 0, day, 9) for day in range(10)] + [(1, 1, 0, 0, 1), (2, 1, 0, 0, 1)])
    model = global_popularity()
    model.fit(rows)

    assert model.shares(0, np.arange(2)) == pytest.approx([1 / 3, 2 / 3])


def test_a_small_country_is_drawn_towards_all_and_a_large_one_is_not():
    rows = interactions([(user, 0, 0, 0, 1) for user in range(1000)] + [(1000, 1, 1, 0, 1)])
    model = Popularity("country", by_country=True, shrinkage=10)
    model.fit(rows)

    everywhere = 1000 / 1001
    assert model.shares(1, np.array([0])) == pytest.approx([10 * everywhere / 11])
    assert model.shares(0, np.array([0])) == pytest.approx([(1000 + 10 * everywhere) / 1010])


def test_recent_popularity_forgets():
    rows = interactions([(user, 0, 0, 0, 1) for user in range(9)] + [(9, 1, 0, 20, 1)])
    model = recent_popularity()
    model.fit(rows)

    assert model.shares(0, np.arange(2)) == pytest.approx([0, 1])


def test_nothing_is_shown_where_nobody_took_it():
    rows = interactions([(0, 0, 0, 0, 1), (1, 1, 0, 0, 1), (2, 2, 1, 0, 1), (3, 0, 1, 0, 1)])
    model = global_popularity()
    model.fit(rows)

    assert lists_of(model, rows, [0, 2]) == {0: [1], 2: [0]}


def test_the_best_are_those_that_sorting_finds_and_of_equals_the_first():
    random = np.random.default_rng(1)
    for columns in (1, 20, 161, 1000):
        scores = random.normal(size=(30, columns)).round(1).astype(np.float32)
        scores[:, ::7], scores[3] = -np.inf, -np.inf
        items = random.permutation(columns)
        for row, its in zip(scores, best(scores, items), strict=True):
            order = [place for place in np.argsort(-row, kind="stable")[:20] if np.isfinite(row[place])]
            assert its[its != NO_ITEM].tolist() == items[order].tolist()


def test_without_spark_its_model_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)

    with pytest.raises(SparkUnavailableError, match="pyspark is not installed") as told:
        with_spark().fit(BOARD)
    assert "make spark" in told.value.remedy
