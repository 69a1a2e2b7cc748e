"""From a model's scores to lists: of what may be shown in the user's country, what the user has not taken, best first.

The rules are kept here, for all models alike. A model only says how much it expects each item to be taken.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from shared.recommender.interactions import Interactions, Numbers
from shared.recommender.list_writing import NO_ITEM

LIST_LENGTH = 20

_BATCH = 512  # users; their scores still fit the processor's cache, more or less
_GROUPS_FOR_EACH = 8  # place of a list

Scores = NDArray[np.float32]
Lists = NDArray[np.uint32]


class Recommender(Protocol):
    """A model. All numbers are those of the interactions that it was fitted to."""

    name: str

    def fit(self, interactions: Interactions) -> None:
        """Learn from all rows given."""

    def items_for(self, country: int) -> Numbers:
        """Return the items that may be shown in that country; for NO_COUNTRY, those that may be nearly everywhere."""

    def scores(self, users: Numbers, country: int, items: Numbers) -> Scores:
        """Return users x items: higher for what is likelier taken next. All users are met in that one country.

        Users who have taken nothing get what strangers get.
        """


class Learner(Recommender, Protocol):
    """A model that can also say what it would answer someone with another history."""

    def scores_for(self, histories: csr_matrix, country: int, items: Numbers) -> Scores:
        """Return histories x items, for rows of weights as in `Interactions.weight_matrix`."""


class Batch(NamedTuple):
    """Some users and, a row for each, their lists; NO_ITEM at the end of those that are short."""

    users: Numbers
    lists: Lists


def top_lists(
    model: Recommender, users: Numbers, countries: Numbers, taken: csr_matrix, length: int = LIST_LENGTH
) -> Iterator[Batch]:
    """Yield lists for users, in batches that each belong to one country, made by as many threads as there are cores.

    `countries` has one for each of `users`, `taken` (users x items) a row for every user that there is.
    BLAS keeps to one thread: its own would get into the way of these.
    """
    batches = _batches(users, countries)

    def ranked(batch: tuple[int, Numbers]) -> Batch:
        country, members = batch
        items = model.items_for(country)
        scores = model.scores(members, country, items)
        _forbid(scores, taken[members], items)
        return Batch(members, best(scores, items, length))

    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        yield from pool.map(ranked, batches)


def best(scores: Scores, items: Numbers, length: int = LIST_LENGTH) -> Lists:
    """Return rows x `length`: the items of the highest scores, highest first; those of minus infinity never.

    Of equal ones the first come first. Only what is not below a bound is sorted, some dozens of thousands: that takes a
    fifth of the time of NumPy's `argpartition`.
    """
    found = np.flatnonzero(scores >= _lower_bound(scores, length)[:, None])  # much faster than `nonzero` of two axes
    rows, columns = np.divmod(found, max(scores.shape[1], 1))
    counts = np.bincount(rows, minlength=len(scores))
    places = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (len(scores), max(length, int(counts.max(initial=0))))
    values, candidates = np.full(shape, -np.inf, np.float32), np.full(shape, NO_ITEM, np.uint32)
    values[rows, places] = scores.ravel()[found]
    candidates[rows, places] = items[columns]
    candidates[np.isneginf(values)] = NO_ITEM
    order = np.argsort(-values, axis=1, kind="stable")[:, :length]
    return np.take_along_axis(candidates, order, axis=1)


def _lower_bound(scores: Scores, length: int) -> Scores:
    """Return for each row a value that at least `length` scores reach: so many of its groups' maxima do."""
    groups = _GROUPS_FOR_EACH * length
    in_each = scores.shape[1] // groups
    if not in_each:
        return np.full(len(scores), -np.inf, np.float32)
    maxima = scores[:, : in_each * groups].reshape(len(scores), in_each, groups).max(axis=1)
    bound: Scores = np.partition(maxima, groups - length, axis=1)[:, groups - length]
    return bound


def _batches(users: Numbers, countries: Numbers) -> list[tuple[int, Numbers]]:
    order = np.argsort(countries, kind="stable")
    changes = np.flatnonzero(np.diff(countries[order])) + 1
    return [
        (int(countries[group[0]]), users[group[start : start + _BATCH]])
        for group in np.split(order, changes)
        for start in range(0, len(group), _BATCH)
    ]


def _forbid(scores: Scores, taken: csr_matrix, items: Numbers) -> None:
    """Give minus infinity to what each row's user has taken."""
    place = np.full(taken.shape[1], -1, np.int64)
    place[items] = np.arange(len(items))
    columns = place[taken.indices]
    rows = np.repeat(np.arange(taken.shape[0]), np.diff(taken.indptr))
    scores[rows[columns >= 0], columns[columns >= 0]] = -np.inf
