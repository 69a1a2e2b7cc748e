"""How good lists are: collaborative filtering beside popularity and the truth, on the last week of the demo logs."""

from collections.abc import Iterator

from shared.recommender.collaborative import Collaborative
from shared.recommender.evaluation import Figures, evaluate
from shared.recommender.oracle import Oracle
from shared.recommender.popularity import country_popularity, global_popularity, recent_popularity
from shared.recommender.splits import split_by_day
from tests.benchmarks.figures import Figure
from tests.benchmarks.recommender.world import interactions, truth

STRANGERS = "strangers"


def measure() -> Iterator[Figure]:
    """Yield NDCG@10 as ratios, and what makes them up."""
    split = split_by_day(interactions())
    oracle = Oracle(truth(), split.cut + (split.test.last_day - split.cut) / 2)
    collaborative, recent, everywhere = Collaborative(), recent_popularity(), global_popularity()
    models = [everywhere, country_popularity(), recent, collaborative, oracle]
    for model in models:
        model.fit(split.train)
    figures = evaluate(models, split).models
    for name, its in figures.items():
        known = its.known
        parts = f"NDCG@10 {known.ndcg_at_10:.3f}, recall@10 {known.recall_at_10:.3f}, @20 {known.recall_at_20:.3f}"
        stranger = its.by_activity[STRANGERS].ndcg_at_10
        print(f"  {name:28} {parts}, coverage@10 {its.coverage_at_10:.3f}, strangers {stranger:.3f}", flush=True)
    its, popular, best, least = (figures[model.name] for model in (collaborative, recent, oracle, everywhere))
    users = f"NDCG@10 of {its.known.users:,} users"
    yield Figure.at_least(
        2.0, "collaborative filtering / popularity in the country, 14 days", _ratio(its.known, popular.known), users
    )
    yield Figure.at_least(0.5, "collaborative filtering / oracle", _ratio(its.known, best.known), users)
    strangers = [model.by_activity[STRANGERS] for model in (its, least)]
    users = f"NDCG@10 of {strangers[0].users:,} strangers"
    yield Figure.at_least(1.3, "list of the country / popularity everywhere", _ratio(*strangers), users)


def _ratio(one: Figures, other: Figures) -> float:
    return one.ndcg_at_10 / other.ndcg_at_10
