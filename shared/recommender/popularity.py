"""What most people take: everywhere, in a country, or there in the last days. The bar for every other model.

A country with few users says little, so its shares are drawn towards those of everybody::

    share(item, country) = (takers(item, country) + shrinkage * share(item)) / (takers(country) + shrinkage)

which is the mean of a Dirichlet prior of `shrinkage` takers who are like everybody.
"""

from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from shared.recommender.interactions import NO_COUNTRY, Interactions, Numbers
from shared.recommender.ranking import LIST_LENGTH, Scores

SHRINKAGE = 200.0
RECENT_DAYS = 14

_NEARLY_ALL = 0.95  # of users


class Popularity:
    """Scores are shares of all takers, so they sum to 1 in each country. A taker counts once for an item."""

    def __init__(
        self, name: str, *, by_country: bool = False, last_days: int | None = None, shrinkage: float = SHRINKAGE
    ) -> None:
        """Count over all days or over the last ones, everywhere or by country."""
        self.name = name
        self._by_country = by_country
        self._last_days = last_days
        self._shrinkage = shrinkage
        self.counts: NDArray[np.float64] = np.empty(0)
        """Takers of each item, as they were counted; what is checked for leaks."""

    def fit(self, interactions: Interactions) -> None:
        """Count the takers."""
        self._available = interactions.available
        self._widespread = _widespread(interactions)
        rows = interactions
        if self._last_days is not None:
            rows = interactions.since(interactions.last_day - timedelta(days=self._last_days - 1))
        self.counts = np.asarray(rows.taken.sum(axis=0), np.float64).ravel()
        everywhere = self.counts / self.counts.sum()
        by_country = (
            _takers_by_country(rows, interactions.user_countries)
            if self._by_country
            else np.zeros((len(rows.country_codes), 1))
        )
        prior = self._shrinkage * everywhere
        shares = (by_country + prior) / (by_country.sum(axis=1, keepdims=True) + self._shrinkage)
        self._shares = np.vstack([shares, everywhere]).astype(np.float32)  # NO_COUNTRY is -1, the last row

    def items_for(self, country: int) -> Numbers:
        """Return what anybody took there; for no country, what is to be had where nearly all users are."""
        return self._widespread if country == NO_COUNTRY else np.flatnonzero(self._available[country])

    def scores(self, users: Numbers, country: int, items: Numbers) -> Scores:
        """Return the same shares for each user."""
        return np.tile(self.shares(country, items), (len(users), 1))

    def scores_for(self, histories: csr_matrix, country: int, items: Numbers) -> Scores:
        """Return the same shares, whatever the history."""
        return np.tile(self.shares(country, items), (histories.shape[0], 1))

    def shares(self, country: int, items: Numbers) -> NDArray[np.float32]:
        """Return each item's share of the takers in a country, or in all for NO_COUNTRY."""
        shares: NDArray[np.float32] = self._shares[country, items]
        return shares


def global_popularity() -> Popularity:
    """Return the one that ignores where anybody is."""
    return Popularity("popularity")


def country_popularity() -> Popularity:
    """Return the one by country over all days."""
    return Popularity("country_popularity", by_country=True)


def recent_popularity(last_days: int = RECENT_DAYS) -> Popularity:
    """Return the one by country over the last days, which is also what strangers are shown."""
    return Popularity(f"country_popularity_{last_days}_days", by_country=True, last_days=last_days)


def _widespread(interactions: Interactions) -> Numbers:
    """Return the items that are available to nearly all users, or where those are few, to the most."""
    users = np.bincount(interactions.placed.countries, minlength=len(interactions.country_codes))
    reach = users / users.sum() @ interactions.available
    least = min(_NEARLY_ALL, np.sort(reach)[-LIST_LENGTH:][0])
    return np.flatnonzero((reach >= least) & (reach > 0))


def _takers_by_country(rows: Interactions, homes: Numbers) -> NDArray[Any]:
    """Return countries x items: how many users took it who are at home there."""
    countries, items = len(rows.country_codes), len(rows.item_ids)
    where = np.repeat(homes, np.diff(rows.taken.indptr)).astype(np.int64)
    places = where * items + rows.taken.indices
    return np.bincount(places[where != NO_COUNTRY], minlength=countries * items).reshape(countries, items)
