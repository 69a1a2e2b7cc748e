import pytest

from shared.recommender.artifact import open_artifact
from shared.recommender.fallback import recommend
from tests.model.recommended import EVERYWHERE, written


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    folder = tmp_path_factory.mktemp("artifact")
    artifact = open_artifact(folder / written(folder).version)
    yield artifact
    artifact.close()


def told(found):
    return [(int(one.item.item_id.removeprefix("app-")), str(one.reason)) for one in found]


def test_a_known_user_gets_the_own_list_in_its_order(artifact):
    found = recommend(artifact, "ben", "DE", 3)

    assert told(found) == [(1, "collaborative"), (5, "collaborative"), (9, "collaborative")]


def test_a_short_list_is_filled_down_the_chain_and_nothing_comes_twice(artifact):
    found = recommend(artifact, "ann", "DE", 8)

    own = [(3, "collaborative"), (1, "collaborative"), (4, "collaborative")]
    assert told(found) == [
        *own,
        *((number, "country_top") for number in (10, 11, 12)),
        *((number, "global_top") for number in (30, 31)),
    ]


def test_a_stranger_gets_what_the_country_likes(artifact):
    assert told(recommend(artifact, "stranger", "FR", 3)) == [
        (20, "country_top"),
        (21, "country_top"),
        (30, "global_top"),
    ]


@pytest.mark.parametrize("country", [None, "", "XX", "de"])
def test_without_a_known_country_it_is_what_all_like(artifact, country):
    assert told(recommend(artifact, None, country, 2)) == [(30, "global_top"), (31, "global_top")]


def test_what_is_excluded_never_appears_in_whatever_list_it_is(artifact):
    excluded = {"app-1", "app-10", "app-30"}

    found = recommend(artifact, "ann", "DE", 20, excluded)

    assert not excluded & {one.item.item_id for one in found}
    assert told(found)[:3] == [(3, "collaborative"), (4, "collaborative"), (11, "country_top")]


def test_items_that_nobody_knows_exclude_nothing(artifact):
    assert recommend(artifact, "ann", "DE", 5, {"app-4000", ""}) == recommend(artifact, "ann", "DE", 5)


def test_nothing_is_left_where_everything_is_excluded(artifact):
    assert recommend(artifact, None, "XX", 5, {f"app-{number}" for number in EVERYWHERE}) == []


def test_all_lists_together_are_all_there_is(artifact):
    assert len(recommend(artifact, None, None, 20)) == len(EVERYWHERE)
