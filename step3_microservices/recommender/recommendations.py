"""From a question for a list to its answer: which arm the user is in, and what is shown."""

import secrets
from time import perf_counter

from shared.recommender.artifact import Artifact
from shared.recommender.fallback import Recommended, recommend
from step3_microservices.recommender.experiment import CONTROL, Experiment
from step3_microservices.recommender.metrics import Metrics, age_s
from step3_microservices.recommender.recommendation_forms import (
    RecommendationsJson,
    RecommendationsQuery,
    RecommendedJson,
)

ITEMS_IN = {"300x250": 6, "728x90": 4, "320x50": 1}  # how many a slot shows, unless it is asked for another number


class Recommender:
    """Answers questions from whatever artifact it is given."""

    def __init__(self, experiment: Experiment, blocked: tuple[str, ...], metrics: Metrics) -> None:
        """Take part in an experiment, and never show what is blocked."""
        self._experiment = experiment
        self._blocked = frozenset(blocked)
        self._metrics = metrics

    def answer(self, query: RecommendationsQuery, artifact: Artifact) -> RecommendationsJson:
        """Return the list for one question. Who is in the control arm gets what anybody of that country gets."""
        started = perf_counter()
        arm = self._experiment.arm(query.user_id)
        user_id = None if arm == CONTROL else query.user_id
        n = query.n or ITEMS_IN[query.slot]
        found = recommend(artifact, user_id, query.country, n, self._blocked.union(query.installed))
        self._metrics.observe(arm, found, perf_counter() - started)
        return {
            "slot": query.slot,
            "items": [_json(one, place) for place, one in enumerate(found, 1)],
            "arm": arm,  # type: ignore[typeddict-item] # it is one of the three
            "experiment": self._experiment.name,
            "control_share": self._experiment.control_share,
            "model_version": artifact.manifest.version,
            "model_age_s": age_s(artifact.manifest),
            "list_id": secrets.token_hex(8),
        }


def _json(one: Recommended, position: int) -> RecommendedJson:
    return {
        "item_id": one.item.item_id,
        "title": one.item.title,
        "category": one.item.category,
        "icon": one.item.icon,
        "position": position,
        "reason": one.reason,
    }
