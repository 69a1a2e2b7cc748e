"""All models beside each other on the same days, users and rules: how good, how varied, and for whom."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.recommender.interactions import NO_COUNTRY, Numbers
from shared.recommender.list_writing import NO_ITEM
from shared.recommender.metrics import concentration, coverage, ndcg_at_k, novelty, recall_at_k
from shared.recommender.ranking import LIST_LENGTH, Lists, Recommender, top_lists
from shared.recommender.splits import Split

MOST_USERS = 20_000
SMALLEST_SLICE = 50  # users; of fewer a figure says nothing

_ACTIVITY = ((0, 0, "strangers"), (1, 5, "1-5 items"), (6, 20, "6-20 items"), (21, 10**9, "more than 20 items"))


@dataclass(frozen=True)
class Figures:
    """How good the lists of some users are: means over them."""

    users: int
    recall_at_10: float
    recall_at_20: float
    ndcg_at_10: float


@dataclass(frozen=True)
class ModelFigures:
    """One model's: of all known users, what their lists are made of, and the same for parts of the users."""

    known: Figures
    coverage_at_10: float
    novelty_at_10: float
    concentration_at_10: float
    by_activity: Mapping[str, Figures]
    by_country: Mapping[str, Figures]


@dataclass(frozen=True)
class Evaluation:
    """The figures of all models. Strangers, who took nothing before, are a part of `by_activity` only."""

    cut: date
    last_day: date
    models: Mapping[str, ModelFigures]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self) | {"cut": self.cut.isoformat(), "last_day": self.last_day.isoformat()}


class _Users(NamedTuple):
    """Who is asked about: row numbers, where each is met, and how much each took before and wanted afterwards."""

    rows: Numbers
    countries: Numbers
    history: Numbers
    wanted: Numbers


def evaluate(models: Sequence[Recommender], split: Split, most_users: int = MOST_USERS, seed: int = 1) -> Evaluation:
    """Return the figures of models that are fitted to `split.train`.

    Users are those who took something new on the test's days, or as many as `most_users` of them, drawn by chance.
    """
    users = _evaluated_users(split, most_users, seed)
    popularity = np.asarray(split.train.taken.mean(axis=0), np.float64).ravel()
    figures = {model.name: _figures(_lists(model, users, split), users, split, popularity) for model in models}
    return Evaluation(split.cut, split.test.last_day, figures)


def _evaluated_users(split: Split, most_users: int, seed: int) -> _Users:
    wanted = np.diff(split.wanted.indptr)
    rows = np.flatnonzero(wanted)
    if len(rows) > most_users:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most_users, replace=False))
    return _Users(rows, split.user_countries[rows], np.diff(split.train.taken.indptr)[rows], wanted[rows])


def _lists(model: Recommender, users: _Users, split: Split) -> Lists:
    """Return users x LIST_LENGTH, in the order of `users`."""
    place = np.zeros(len(split.train.user_ids), np.int64)
    place[users.rows] = np.arange(len(users.rows))
    lists = np.full((len(users.rows), LIST_LENGTH), NO_ITEM, np.uint32)
    for batch in top_lists(model, users.rows, users.countries, split.train.taken):
        lists[place[batch.users]] = batch.lists
    return lists


def _figures(lists: Lists, users: _Users, split: Split, popularity: NDArray[np.float64]) -> ModelFigures:
    hits = _hits(lists, users, split)
    known = users.history > 0
    countries = split.train.country_codes
    return ModelFigures(
        known=_of(known, hits, users),
        coverage_at_10=coverage(lists[known], len(popularity), 10),
        novelty_at_10=novelty(lists[known], popularity, 10),
        concentration_at_10=concentration(lists[known], 10),
        by_activity=_slices(_activities(users), hits, users),
        by_country=_slices(
            ((countries[c], known & (users.countries == c)) for c in range(len(countries))), hits, users
        ),
    )


def _hits(lists: Lists, users: _Users, split: Split) -> NDArray[np.bool_]:
    is_wanted = split.wanted[users.rows]
    rows = np.repeat(np.arange(len(lists)), lists.shape[1])
    columns = np.where(lists == NO_ITEM, 0, lists).ravel()
    found: NDArray[np.bool_] = np.asarray(is_wanted[rows, columns]).reshape(lists.shape) > 0
    found &= lists != NO_ITEM
    return found


def _activities(users: _Users) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    for least, most, name in _ACTIVITY:
        yield name, (users.history >= least) & (users.history <= most) & (users.countries != NO_COUNTRY)


def _slices(
    parts: Iterator[tuple[str, NDArray[np.bool_]]], hits: NDArray[np.bool_], users: _Users
) -> dict[str, Figures]:
    return {name: _of(mask, hits, users) for name, mask in parts if mask.sum() >= SMALLEST_SLICE}


def _of(mask: NDArray[np.bool_], hits: NDArray[np.bool_], users: _Users) -> Figures:
    theirs, wanted = hits[mask], users.wanted[mask]
    if not len(wanted):
        return Figures(0, 0.0, 0.0, 0.0)
    means = (recall_at_k(theirs, wanted, 10), recall_at_k(theirs, wanted, 20), ndcg_at_k(theirs, wanted, 10))
    return Figures(len(wanted), *(float(values.mean()) for values in means))
