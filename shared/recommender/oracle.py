"""What could be known at best: lists by the true chances, which only whoever made up the demo logs has.

No model can beat it but by luck. How near one comes says more than how far it is above popularity, since nobody knows
how much there is to be found out.
"""

from datetime import date
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.recommender.interactions import Interactions, Numbers
from shared.recommender.ranking import Scores

_UNKNOWN = -1


class ItemChances(Protocol):
    """What it asks of `demo_truth.Truth`."""

    @property
    def user_ids(self) -> list[str]:
        """Who there is."""

    @property
    def item_ids(self) -> list[str]:
        """What there is."""

    def item_probabilities(self, users: NDArray[np.int64], day: date) -> NDArray[np.float32]:
        """Return users x items: the chance that what the user takes next on that day is this."""


class Oracle:
    """Knows the chances on one day. Countries need no rule: what is not to be had there has no chance."""

    name = "oracle"

    def __init__(self, truth: ItemChances, day: date) -> None:
        """Look into the truth of that day; in the middle of a test's days it is nearest to all of them."""
        self._truth = truth
        self._day = day

    def fit(self, interactions: Interactions) -> None:
        """Learn only which number stands for whom. Of users whom the truth lacks, such as bots, nothing is known."""
        users = {user_id: number for number, user_id in enumerate(self._truth.user_ids)}
        items = {item_id: number for number, item_id in enumerate(self._truth.item_ids)}
        self._users = np.array([users.get(user_id, _UNKNOWN) for user_id in interactions.user_ids])
        self._items = np.array([items[item_id] for item_id in interactions.item_ids])

    def items_for(self, country: int) -> Numbers:  # noqa: ARG002 - the chances say it
        """Return all."""
        return np.arange(len(self._items))

    def scores(self, users: Numbers, country: int, items: Numbers) -> Scores:  # noqa: ARG002 - the truth knows it
        """Return the logarithm of the chances, minus infinity where there is none."""
        numbers = self._users[users]
        chances = self._truth.item_probabilities(numbers, self._day)[:, self._items[items]]
        chances[numbers == _UNKNOWN] = 0
        with np.errstate(divide="ignore"):
            logarithms: Scores = np.log(chances, dtype=np.float32)
        return logarithms
