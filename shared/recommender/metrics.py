"""What a list is worth, in the four figures that the field compares lists by.

`hits` is users x places, True where the list's item is one that the user went on to take. `wanted` is how many items
each user went on to take.
"""

import numpy as np
from numpy.typing import NDArray

from shared.recommender.interactions import Numbers
from shared.recommender.list_writing import NO_ITEM
from shared.recommender.ranking import Lists

Hits = NDArray[np.bool_]
Values = NDArray[np.float64]


def recall_at_k(hits: Hits, wanted: Numbers, k: int) -> Values:
    """Return, for each user, the share of what they took that is among the first k."""
    found: Values = hits[:, :k].sum(axis=1) / wanted
    return found


def ndcg_at_k(hits: Hits, wanted: Numbers, k: int) -> Values:
    """Return, for each user, the normalised discounted cumulative gain: 1 if the list begins with all they took.

    A hit at place p (from 1) gains 1 / log2(p + 1), out of what min(k, wanted) hits at the top would gain (K. Jarvelin,
    J. Kekalainen, Cumulated gain-based evaluation of IR techniques, 2002, https://doi.org/10.1145/582415.582418).
    """
    gains = 1 / np.log2(np.arange(2, k + 2))
    best = np.concatenate([[0], np.cumsum(gains)])[np.minimum(wanted, k)]
    ndcg: Values = hits[:, :k] @ gains[: hits.shape[1]] / best
    return ndcg


def coverage(lists: Lists, items: int, k: int) -> float:
    """Return the share of the catalogue's items that are among anybody's first k."""
    shown = np.unique(lists[:, :k])
    return float((shown != NO_ITEM).sum() / items)


def novelty(lists: Lists, popularity: Values, k: int) -> float:
    """Return how unexpected the first k are: the mean of -log2 of the share of users who have each item, in bits.

    `popularity` is that share for each item (T. Zhou et al., Solving the apparent diversity-accuracy dilemma of
    recommender systems, 2010, https://doi.org/10.1073/pnas.1000488107). An item that nobody has counts as had by one in
    a million.
    """
    shown = lists[:, :k]
    shown = shown[shown != NO_ITEM]
    return float(-np.log2(np.maximum(popularity[shown], 1e-6)).mean()) if len(shown) else 0.0


def concentration(lists: Lists, k: int) -> float:
    """Return in which share of the lists the most recommended item is: 1 if everybody is shown the same."""
    shown = lists[:, :k]
    shown = shown[shown != NO_ITEM]
    return float(np.bincount(shown).max() / len(lists)) if len(shown) else 0.0
