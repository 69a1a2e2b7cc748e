"""Collaborative filtering: what people with a similar history took, and what their country takes these days.

The history is factorised by alternating least squares for implicit feedback (Y. Hu, Y. Koren, C. Volinsky,
Collaborative Filtering for Implicit Feedback Datasets, 2008, https://doi.org/10.1109/ICDM.2008.22)::

    confidence(user, item) = 1 + alpha * log(1 + weight) / (takers of the item / mean takers of an item) ** discount
    score(user, item, country) = user_factors . item_factors + trend * log(share of the country's takers, last days)

Everybody has what is popular, so having it says less about a taste: the discount lets factors describe tastes rather
than popularity. Popularity comes back by the second term, as that of the user's country and of the last days, of which
factors know nothing. It is also what strangers are left with, whose factors are 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from implicit.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from shared.recommender.interactions import HALF_LIFE_DAYS, Interactions, Numbers
from shared.recommender.popularity import recent_popularity
from shared.recommender.ranking import Scores

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Settings:
    """How the history is factorised, and what is added to it."""

    factors: int = 64
    """How many numbers describe a user, or an item."""

    alpha: float = 20.0
    """How much more an interaction says than the lack of one."""

    discount: float = 0.5
    """How much less it says of a popular item: 0 not at all, 1 in proportion to its popularity."""

    regularization: float = 0.05
    """How much the factors are drawn towards 0: more where histories are short."""

    iterations: int = 15
    """How often users and items take turns."""

    half_life_days: float = HALF_LIFE_DAYS
    """After how many days an interaction counts half."""

    trend: float = 0.08
    """How much the country's last days count, next to factors whose product is about 1 for what a user takes."""

    seed: int = 1
    """Where the factors begin."""


class Factors(NamedTuple):
    """Users x factors and items x factors, float32."""

    users: NDArray[np.float32]
    items: NDArray[np.float32]


Factorise = Callable[[csr_matrix, Settings, Progress], Factors]


def implicit_factors(weights: csr_matrix, settings: Settings, progress: Progress) -> Factors:
    """Factorise on this machine, given users x items of evidence; `progress` hears of each iteration.

    BLAS keeps to one thread: the library's own threads each multiply small matrices, for which more only wait.
    """
    with threadpool_limits(1, user_api="blas"):
        als = AlternatingLeastSquares(
            factors=settings.factors,
            regularization=settings.regularization,
            iterations=settings.iterations,
            random_state=settings.seed,
        )
        als.fit(_confidences(weights, settings), show_progress=False, callback=lambda done, *_: progress(done + 1))
    return Factors(als.user_factors, als.item_factors)


class Collaborative:
    """Alternating least squares and the country's trend; by which library, `factorise` says."""

    def __init__(
        self,
        settings: Settings = Settings(),
        *,
        factorise: Factorise = implicit_factors,
        name: str = "collaborative",
        progress: Progress = lambda _: None,
    ) -> None:
        """Be ready to fit."""
        self.name = name
        self.settings = settings
        self._factorise = factorise
        self._progress = progress
        self._trend = recent_popularity()

    def fit(self, interactions: Interactions) -> None:
        """Count the trend, and factorise the history as it counts on its last day."""
        self._trend.fit(interactions)
        weights = interactions.weight_matrix(interactions.last_day, self.settings.half_life_days)
        takers = np.bincount(weights.indices, minlength=weights.shape[1]).astype(np.float32)
        self._discounts = (np.maximum(takers, 1) / takers.mean()) ** -self.settings.discount
        self.factors = self._factorise(self._evidence(weights), self.settings, self._progress)
        self._item_products = self.factors.items.T @ self.factors.items

    @property
    def counts(self) -> NDArray[np.float64]:
        """Takers of each item that the trend was counted from; what is checked for leaks."""
        return self._trend.counts

    def items_for(self, country: int) -> Numbers:
        """Return what anybody took there; for no country, what is to be had where nearly all users are."""
        return self._trend.items_for(country)

    def scores(self, users: Numbers, country: int, items: Numbers) -> Scores:
        """Return how well each item fits each user, and these days."""
        return self._scores(self.factors.users[users], country, items)

    def scores_for(self, histories: csr_matrix, country: int, items: Numbers) -> Scores:
        """Return the same for histories that the model has not seen: one more step of least squares for each."""
        factors = [self._factors_of(row) for row in _confidences(self._evidence(histories), self.settings)]
        return self._scores(np.stack(factors), country, items)

    def _evidence(self, weights: csr_matrix) -> csr_matrix:
        """Return what remains of weights once use is taken as its logarithm, and popular items are discounted."""
        evidence = weights.copy()
        evidence.data = (np.log1p(weights.data) * self._discounts[weights.indices]).astype(np.float32)
        return evidence

    def _scores(self, users: NDArray[np.float32], country: int, items: Numbers) -> Scores:
        scores: Scores = users @ self.factors.items[items].T
        scores += self.settings.trend * np.log(self._trend.shares(country, items) + np.float32(1e-7))
        return scores

    def _factors_of(self, confidences: csr_matrix) -> NDArray[np.float32]:
        """Solve (Y'Y + Y'(C - 1)Y + regularization) x = Y'C for one user, as each iteration does."""
        theirs = self.factors.items[confidences.indices]
        left = self._item_products + (theirs.T * (confidences.data - 1)) @ theirs
        left += self.settings.regularization * np.eye(len(left), dtype=np.float32)
        solved: NDArray[np.float32] = np.linalg.solve(left, theirs.T @ confidences.data)
        return solved


def _confidences(evidence: csr_matrix, settings: Settings) -> csr_matrix:
    confidences = evidence.copy()
    confidences.data = (1 + settings.alpha * confidences.data).astype(np.float32)
    return confidences
