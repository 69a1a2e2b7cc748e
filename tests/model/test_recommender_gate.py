"""Nothing is released that breaks a rule, and what is refused says which."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from shared.recommender.behaviour import Finding, examine
from shared.recommender.evaluation import Evaluation, Figures, ModelFigures
from shared.recommender.manifest import LISTS, FileFacts
from shared.recommender.popularity import country_popularity
from shared.recommender.release_gate import Limits, ReleaseRefusedError, judge_quality, judge_size, refuse_if_broken
from tests.model.recommended import written
from tests.model.recommender_worlds import checkerboard


def figures(ndcg, **others):
    known = Figures(10_000, 2 * ndcg, 3 * ndcg, ndcg)
    usual = {"coverage_at_10": 0.3, "novelty_at_10": 5.0, "concentration_at_10": 0.2}
    parts = {"by_activity": {"1-5 items": known}, "by_country": {"DE": known, "UY": Figures(60, 0, 0, 0)}}
    return ModelFigures(known=known, **usual | parts | others)


BASELINES = ("country_popularity", "recent")
GOOD = Evaluation(
    date(2026, 9, 1),
    date(2026, 9, 7),
    {"candidate": figures(0.12), "country_popularity": figures(0.05), "recent": figures(0.06, novelty_at_10=4.0)},
)


def broken(candidate=None, limits=None):
    models = GOOD.models | ({"candidate": candidate} if candidate else {})
    findings = judge_quality(replace(GOOD, models=models), "candidate", BASELINES, limits or Limits())
    return [finding.rule for finding in findings if not finding.kept]


def test_a_good_model_passes():
    assert broken() == []


def test_one_that_is_no_better_than_the_better_of_the_popularities_is_refused():
    assert "better than popularity in the country" in broken(figures(0.059))


def test_one_that_a_country_or_an_activity_pays_for_is_refused():
    low = Figures(1000, 0.01, 0.01, 0.01)

    assert broken(figures(0.12, by_country={"DE": low})) == ["nor in any country"]
    assert broken(figures(0.12, by_activity={"1-5 items": low})) == ["nobody is much worse off, by activity"]


def test_few_users_are_no_reason_to_refuse():
    few = Figures(100, 0.01, 0.01, 0.01)

    assert broken(figures(0.12, by_country={"DE": few})) == []


def test_one_that_shows_everybody_the_same_is_refused():
    assert broken(figures(0.12, concentration_at_10=0.9)) == ["not the same for everybody"]


def test_one_that_is_more_biased_to_what_is_popular_than_popularity_is_refused():
    assert broken(figures(0.12, novelty_at_10=3.9)) == ["no more biased to what is popular than popularity"]


def test_lists_that_take_too_much_are_refused(tmp_path):
    manifest = written(tmp_path)
    fat = replace(manifest, files={LISTS: FileFacts(2_000_000, "0" * 64)})

    assert [finding.kept for its in (manifest, fat) for finding in judge_size(its)] == [True, False]


def test_a_refusal_names_each_rule_and_what_was_seen():
    findings = [Finding("one", False, "seen so"), Finding("two", True, "fine"), Finding("three", False, "seen thus")]

    with pytest.raises(ReleaseRefusedError, match=r"one \(seen so\); three \(seen thus\)") as refused:
        refuse_if_broken(findings)

    assert [finding.rule for finding in refused.value.broken] == ["one", "three"]


class Leaky(type(country_popularity())):
    """Shows everything everywhere."""

    def items_for(self, _):
        return np.arange(len(self.counts))


class Spiteful(type(country_popularity())):
    """Turns against what is used much."""

    def scores_for(self, histories, country, items):
        weights = histories[:, items].toarray()
        return super().scores_for(histories, country, items) + np.where(weights > 2, -1, weights)


class Speechless(type(country_popularity())):
    """Has nothing for strangers."""

    def scores_for(self, histories, _, items):
        return np.full((histories.shape[0], len(items)), -np.inf, np.float32)


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (Leaky, "only what is to be had in the user's country"),
        (Spiteful, "more of what I use does not lower it"),
        (Speechless, "strangers get full lists"),
    ],
)
def test_a_model_that_behaves_badly_is_found_out(kind, rule):
    board = checkerboard()
    board = replace(board, countries=(board.users % 2).astype(np.int32))
    model = kind("bad", by_country=True)
    model.fit(board)

    assert rule in [finding.rule for finding in examine(model, board) if not finding.kept]
