"""The model's tester: on days that were held back, in a small demo world whose truth is known.

Bounds leave room for chance: what is measured at full size stands in the benchmarks.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from shared.recommender.behaviour import examine
from shared.recommender.collaborative import Collaborative, Settings
from shared.recommender.evaluation import evaluate
from shared.recommender.interactions import NO_COUNTRY
from shared.recommender.list_writing import NO_ITEM
from shared.recommender.oracle import Oracle
from shared.recommender.popularity import country_popularity, global_popularity, recent_popularity
from shared.recommender.ranking import best, top_lists
from shared.recommender.release_gate import judge_quality, refuse_if_broken
from shared.recommender.splits import check_popularity, check_rows, split_by_day
from tests.model.recommender_worlds import demo_world, released

SETTINGS = Settings(factors=32, iterations=8)
LARGEST = "IN"


@pytest.fixture(scope="module")
def world():
    return demo_world()


@pytest.fixture(scope="module")
def split(world):
    parted = split_by_day(world.interactions)
    check_rows(parted, released(world))
    return parted


@pytest.fixture(scope="module")
def model(split):
    candidate = Collaborative(SETTINGS)
    candidate.fit(split.train)
    return candidate


@pytest.fixture(scope="module")
def figures(world, split, model):
    others = [global_popularity(), country_popularity(), recent_popularity()]
    others.append(Oracle(world.truth, split.cut + (split.test.last_day - split.cut) / 2))
    for other in others:
        other.fit(split.train)
        if hasattr(other, "counts"):
            check_popularity(other.counts, split)
    return evaluate([*others, model], split)


def ndcg(figures, name, part=None):
    its = figures.models[name]
    return (its.by_activity[part] if part else its.known).ndcg_at_10


def test_it_is_well_above_popularity_in_the_country(figures):
    assert ndcg(figures, "collaborative") > 1.5 * ndcg(figures, "country_popularity_14_days")
    assert ndcg(figures, "country_popularity_14_days") > 1.1 * ndcg(figures, "popularity")


def test_it_comes_near_to_what_can_be_known(figures):
    assert 0.4 * ndcg(figures, "oracle") < ndcg(figures, "collaborative") < ndcg(figures, "oracle")


def test_strangers_get_what_their_country_takes(figures):
    strangers = [ndcg(figures, name, "strangers") for name in ("collaborative", "country_popularity_14_days")]

    assert strangers[0] == pytest.approx(strangers[1])
    assert strangers[0] > 1.2 * ndcg(figures, "popularity", "strangers")


def test_it_is_better_for_the_lazy_and_for_the_busy(figures):
    its, popularity = (figures.models[name] for name in ("collaborative", "country_popularity_14_days"))

    assert len(its.by_activity) >= 3
    for part in its.by_activity.keys() - {"strangers"}:
        assert its.by_activity[part].ndcg_at_10 > popularity.by_activity[part].ndcg_at_10, part


def test_it_is_better_in_every_country_of_some_size(figures):
    its, popularity = (figures.models[name] for name in ("collaborative", "country_popularity_14_days"))

    assert LARGEST in its.by_country
    for code in its.by_country:
        assert its.by_country[code].ndcg_at_10 > popularity.by_country[code].ndcg_at_10, code


def test_it_shows_more_of_the_catalogue_and_less_of_what_all_have(figures):
    its, popularity = (figures.models[name] for name in ("collaborative", "country_popularity_14_days"))

    assert its.coverage_at_10 > 1.5 * popularity.coverage_at_10
    assert its.novelty_at_10 > popularity.novelty_at_10
    assert its.concentration_at_10 < 0.5


def test_every_rule_of_behaviour_and_of_the_gate_is_kept(figures, model, split):
    gate = judge_quality(figures, "collaborative", ["country_popularity", "country_popularity_14_days"])

    refuse_if_broken([*gate, *examine(model, split.train)])


def test_what_is_not_offered_in_a_country_is_never_shown_there(world, split, model):
    countries, users = split.train.user_countries, np.arange(len(split.train.user_ids))
    offered = world.truth.world.success > 0

    for members, lists in top_lists(model, users, countries, split.train.taken):
        if countries[members[0]] != NO_COUNTRY:
            assert offered[countries[members[0]], lists[lists != NO_ITEM]].all()


def test_the_order_of_rows_changes_next_to_nothing(split, model):
    order = np.random.default_rng(2).permutation(len(split.train))
    again = Collaborative(SETTINGS)

    again.fit(split.train.where(order))

    users, items = np.arange(200), np.arange(400)
    assert again.scores(users, 0, items) == pytest.approx(model.scores(users, 0, items), abs=0.02)


def test_other_ids_for_the_same_people_change_nothing(split, model):
    renamed = replace(split.train, user_ids=[f"someone-{number}" for number in range(len(split.train.user_ids))])
    again = Collaborative(SETTINGS)

    again.fit(renamed)

    assert again.scores(np.arange(9), 0, np.arange(400)) == pytest.approx(
        model.scores(np.arange(9), 0, np.arange(400)), abs=0.02
    )


def test_one_app_taken_already_makes_a_list_ones_own(split, model):
    country = split.train.country_codes.index(LARGEST)
    items = model.items_for(country)
    nothing = csr_matrix((1, 400), dtype=np.float32)
    lists = set()
    for item in items[:20]:
        one = csr_matrix(([1.0], ([0], [item])), shape=(1, 400), dtype=np.float32)
        lists.add(tuple(best(model.scores_for(one, country, items), items)[0]))

    assert tuple(best(model.scores_for(nothing, country, items), items)[0]) not in lists
    assert len(lists) > 15
