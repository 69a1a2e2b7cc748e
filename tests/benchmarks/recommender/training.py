"""How long training takes beside the library called directly, and how fast all users get their lists."""

import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from shared.recommender.collaborative import Collaborative, Settings
from shared.recommender.interactions import Interactions
from shared.recommender.ranking import top_lists
from tests.benchmarks.figures import Figure, in_turn, seconds
from tests.benchmarks.recommender.world import interactions

ROUNDS = 3


def measure() -> Iterator[Figure]:
    """Yield the ratio of the training, and lists a second."""
    rows = interactions()
    model = Collaborative()
    directly, ours, ratio = in_turn(lambda: _directly(rows), lambda: model.fit(replace(rows)), ROUNDS)
    pairs = rows.taken.nnz
    times = f"{ours:.1f} s / {directly:.1f} s for {pairs / 1e6:.1f} M pairs, from rows of days"
    yield Figure.at_most(1.1, "training / the library called directly, one BLAS thread", ratio, times)
    users, countries = np.arange(len(rows.user_ids)), rows.user_countries
    fastest = min(seconds(lambda: [*top_lists(model, users, countries, rows.taken)]) for _ in range(ROUNDS))
    details = f"top 20 of {len(rows.item_ids):,} items for {len(users):,} users, {os.cpu_count()} cores"
    yield Figure.at_least(40_000, "lists a second", len(users) / fastest, details)


def _directly(rows: Interactions) -> None:
    """Do what the library's own examples do: one matrix, no decay, no trend."""
    settings = Settings()
    weights = csr_matrix((rows.weights, (rows.users, rows.items)), (len(rows.user_ids), len(rows.item_ids)))
    weights.data = np.log1p(weights.data)
    with threadpool_limits(1, user_api="blas"):
        AlternatingLeastSquares(
            factors=settings.factors,
            regularization=settings.regularization,
            alpha=settings.alpha,
            iterations=settings.iterations,
            random_state=settings.seed,
        ).fit(weights, show_progress=False)
