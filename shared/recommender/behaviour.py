"""What every model must do, however good its figures are: rules that a user would notice the breach of."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from shared.recommender.interactions import NO_COUNTRY, Interactions, Numbers
from shared.recommender.list_writing import NO_ITEM
from shared.recommender.ranking import LIST_LENGTH, Batch, Learner, Scores, best, top_lists

_ASKED = 1000  # users
_MORE = 4.0  # times as much use
_LOWERED = 0.02  # of users, at most: least squares pulls to 1 also what is above, and what is near gets past
_ROUNDING = 1e-5


class Finding(NamedTuple):
    """A rule, whether it is kept, and what was seen."""

    rule: str
    kept: bool
    seen: str


def examine(model: Learner, interactions: Interactions, seed: int = 1) -> Iterator[Finding]:
    """Yield a finding for each rule, from lists for some users of the interactions that the model is fitted to."""
    known = np.flatnonzero(np.diff(interactions.taken.indptr))
    users = np.random.default_rng(seed).permutation(known)[:_ASKED]
    countries = interactions.user_countries
    batches = list(top_lists(model, users, countries[users], interactions.taken))
    yield _never_taken(batches, interactions)
    yield _country_never_leaks(batches, countries, interactions)
    yield _more_use_never_lowers(model, users[:200], interactions)
    yield _strangers_get_full_lists(model, interactions)


def _never_taken(batches: list[Batch], interactions: Interactions) -> Finding:
    broken = sum(
        len(np.intersect1d(interactions.taken[u].indices, row)) for b in batches for u, row in zip(*b, strict=True)
    )
    return Finding("never an item that the user has", broken == 0, f"{broken} such items")


def _country_never_leaks(batches: list[Batch], countries: Numbers, interactions: Interactions) -> Finding:
    broken = 0
    for users, lists in batches:
        rows, places = np.nonzero(lists != NO_ITEM)
        broken += int((~interactions.available[countries[users[rows]], lists[rows, places]]).sum())
    return Finding("only what is to be had in the user's country", broken == 0, f"{broken} items from elsewhere")


def _more_use_never_lowers(model: Learner, users: Numbers, interactions: Interactions) -> Finding:
    """Ask where something that a user has would stand among what they lack, had they used it more."""
    weights = interactions.weight_matrix(interactions.last_day)
    lowered = 0
    for user in users:
        history = csr_matrix(weights[user])
        more = history.copy()
        more.data[0] *= _MORE
        country, used = int(interactions.user_countries[user]), history.indices[:1]
        asked = np.concatenate([used, np.setdiff1d(model.items_for(country), history.indices)])
        before, after = (_places_above(model.scores_for(one, country, asked)[0]) for one in (history, more))
        lowered += int(after > before)
    kept = lowered <= _LOWERED * len(users)
    return Finding("more of what I use does not lower it", kept, f"lowered for {lowered} of {len(users)} users")


def _places_above(scores: Scores) -> int:
    """Return how many are above the first."""
    return int((scores[1:] > scores[0] + _ROUNDING).sum())


def _strangers_get_full_lists(model: Learner, interactions: Interactions) -> Finding:
    """Ask for someone without a history in each country, and in none that is known."""
    nothing = csr_matrix((1, len(interactions.item_ids)), dtype=np.float32)
    short = []
    for country in (NO_COUNTRY, *range(len(interactions.country_codes))):
        items = model.items_for(country)
        scores = model.scores_for(nothing, country, items)
        found = int((best(scores, items) != NO_ITEM).sum())
        if not np.isfinite(scores).all() or found < min(LIST_LENGTH, len(items)):
            short.append("nowhere" if country == NO_COUNTRY else interactions.country_codes[country])
    return Finding("strangers get full lists", not short, f"short in {', '.join(short) or 'no country'}")
