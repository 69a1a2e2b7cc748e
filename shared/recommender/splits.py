"""Past and future, parted by a day: what a model may learn from, and what it is then asked for.

A leak makes a model look better than it is, and nobody notices before it is released. So every way in which the future
has been known to get into the past is looked for, and found it ends the training.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from shared.errors import ExpectedError
from shared.recommender.interactions import NO_COUNTRY, Interactions, day_number

TEST_DAYS = 7


class SplitError(ExpectedError):
    """There is nothing on one side of the day."""

    code = "split_impossible"


class LeakError(ExpectedError):
    """The training side knows something of the future."""

    code = "leak_found"

    def __init__(self, detail: str) -> None:
        """Say which leak."""
        super().__init__(detail, "Nothing that was measured with this split counts: mend it, and train again.")


@dataclass(frozen=True)
class Split:
    """All rows before the day `cut`, and all from it on."""

    train: Interactions
    test: Interactions
    cut: date

    @cached_property
    def wanted(self) -> csr_matrix:
        """Users x items: what each user took for the first time on the test's days, as only that can be recommended."""
        new = self.test.taken - self.test.taken.multiply(self.train.taken)
        new.eliminate_zeros()
        return csr_matrix(new)

    @cached_property
    def user_countries(self) -> NDArray[np.int32]:
        """Where each user is met: known ones at home as far as is known before, strangers where they are afterwards."""
        known, met = self.train.user_countries, self.test.user_countries
        return np.where(known == NO_COUNTRY, met, known)


def split_by_day(interactions: Interactions, cut: date | None = None) -> Split:
    """Part the rows at the beginning of a day, by default so that the last TEST_DAYS days are the test's.

    Raises SplitError where one side would be empty.
    """
    cut = cut or interactions.last_day - timedelta(days=TEST_DAYS - 1)
    split = Split(interactions.before(cut), interactions.since(cut), cut)
    if not len(split.train) or not len(split.test):
        days = f"{interactions.first_day} to {interactions.last_day}"
        raise SplitError(f"{cut} does not part the days from {days}.", "Give more days, or a day between them.")
    return split


def check_rows(split: Split, released: Mapping[str, date]) -> None:
    """Look for rows of the wrong side, rows in both, and items of the future; raise LeakError at the first.

    `released` tells the day from which on an item could be taken; items that it lacks are not looked at.
    """
    cut = day_number(split.cut)
    if (split.train.days >= cut).any():
        raise LeakError(f"A row of {split.train.last_day} is among those to learn from, which end before {split.cut}.")
    both = np.intersect1d(_row_keys(split.train), _row_keys(split.test))
    if len(both):
        raise LeakError(f"{len(both)} rows are on both sides of the split.")
    first_days = np.array([day_number(released.get(item, date.min)) for item in split.train.item_ids])
    early = np.unique(split.train.items[first_days[split.train.items] >= cut])
    if len(early):
        name = split.train.item_ids[early[0]]
        raise LeakError(f"{name} is among what is learnt from, and was not released before {split.cut}.")


def check_popularity(counts: NDArray[Any], split: Split) -> None:
    """Raise LeakError if an item was counted more often (users per item) than the past has takers for it."""
    takers = np.asarray(split.train.taken.sum(axis=0)).ravel()
    ahead = np.flatnonzero(counts > takers * (1 + 1e-5))
    if len(ahead):
        name, counted = split.train.item_ids[ahead[0]], counts[ahead[0]]
        raise LeakError(f"{name} counts as taken by {counted:.0f} users, of whom the past has {takers[ahead[0]]:.0f}.")


def _row_keys(rows: Interactions) -> NDArray[np.void]:
    columns = np.column_stack([rows.users, rows.items, rows.countries, rows.days]).astype(np.int32)
    return np.ascontiguousarray(columns).view([("", np.int32)] * 4).ravel()
