"""Cleaned interactions, read from day partitions into arrays: which user took which item, where, when and how much.

Users, items and countries are numbers from here on: positions in `user_ids`, `item_ids` and `country_codes`. Everything
that is cut out of one set of interactions keeps its numbers, so both sides of a split speak of the same things.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from shared.errors import ExpectedError
from shared.recommender.cleaning_rules import UNKNOWN_COUNTRY
from shared.recommender.logs import day_of

NO_COUNTRY = -1
HALF_LIFE_DAYS = 30.0

_TEXTS = ("user_id", "item_id", "country")
_EPOCH = date(1970, 1, 1)

Numbers = NDArray[np.integer[Any]]


class InteractionsError(ExpectedError):
    """The folder does not hold cleaned interactions that a model can be made from."""

    code = "interactions_unusable"


@dataclass(frozen=True)
class Interactions:
    """A row for each user, item, country and day: arrays of one length, and the ids that their numbers stand for."""

    user_ids: Sequence[str]
    item_ids: Sequence[str]
    country_codes: Sequence[str]
    users: NDArray[np.int32]
    items: NDArray[np.int32]
    countries: NDArray[np.int32]  # NO_COUNTRY where it is not known
    days: NDArray[np.int32]  # since 1970-01-01
    weights: NDArray[np.float32]  # not decayed

    def __len__(self) -> int:
        return len(self.users)

    @property
    def first_day(self) -> date:
        """The day of the oldest row."""
        return _EPOCH + timedelta(days=int(self.days.min()))

    @property
    def last_day(self) -> date:
        """The day of the newest row."""
        return _EPOCH + timedelta(days=int(self.days.max()))

    def where(self, mask: NDArray[np.bool_]) -> "Interactions":
        """Return the rows that the mask is true for, under the same numbers."""
        columns = ("users", "items", "countries", "days", "weights")
        return replace(self, **{name: getattr(self, name)[mask] for name in columns})

    def before(self, day: date) -> "Interactions":
        """Return the rows of the days before."""
        return self.where(self.days < day_number(day))

    def since(self, day: date) -> "Interactions":
        """Return the rows of that day and those after."""
        return self.where(self.days >= day_number(day))

    def weight_matrix(self, today: date, half_life_days: float = HALF_LIFE_DAYS) -> csr_matrix:
        """Return users x items (float32): summed weights, each halved for every `half_life_days` of its age today.

        A decay that the reader applies leaves the partitions as they are: tomorrow's training reads them again.
        """
        age = day_number(today) - self.days
        decayed = self.weights * np.exp2(-age / half_life_days).astype(np.float32)
        return self._matrix(decayed)

    @cached_property
    def taken(self) -> csr_matrix:
        """Users x items (float32), 1 where the user ever took the item."""
        matrix = self._matrix(np.ones(len(self), np.float32))
        matrix.data[:] = 1
        return matrix

    @cached_property
    def user_countries(self) -> NDArray[np.int32]:
        """Where each user is at home: the country of most of their rows; NO_COUNTRY where none of them has any."""
        homes = np.full(len(self.user_ids), NO_COUNTRY, np.int32)
        shape = (len(self.user_ids), len(self.country_codes))
        ones = np.ones(len(self.placed), np.int32)
        rows = csr_matrix((ones, (self.placed.users, self.placed.countries)), shape=shape)
        users = np.repeat(np.arange(shape[0]), np.diff(rows.indptr))
        order = np.argsort(rows.data, kind="stable")
        homes[users[order]] = rows.indices[order]  # of several values for one place NumPy keeps the last
        return homes

    @cached_property
    def available(self) -> NDArray[np.bool_]:
        """Countries x items: whether anybody who is at home there ever took the item there.

        Nobody hands over each country's catalogue, so this stands for it. Travellers do not count: what they take comes
        from their own country's catalogue. An item without a taker in a country cannot be told from one that must not
        be shown there, and showing too little is the safer mistake.
        """
        at_home = self.placed.where(self.placed.countries == self.user_countries[self.placed.users])
        seen = np.zeros((len(self.country_codes), len(self.item_ids)), np.bool_)
        seen[at_home.countries, at_home.items] = True
        return seen

    @cached_property
    def placed(self) -> "Interactions":
        """The rows whose country is known."""
        return self.where(self.countries != NO_COUNTRY)

    def _matrix(self, values: NDArray[np.float32]) -> csr_matrix:
        shape = (len(self.user_ids), len(self.item_ids))
        return csr_matrix((values, (self.users, self.items)), shape=shape, dtype=np.float32)


def day_number(day: date) -> int:
    """Return the days since 1970-01-01."""
    return (day - _EPOCH).days


def read_interactions(folder: Path, item_ids: Sequence[str], until: date | None = None) -> Interactions:
    """Read `day=YYYY-MM-DD/pairs.parquet` of all days, or of those up to and including `until`.

    `folder` may also be what cleaning wrote, which has these under `interactions`, next to what was dropped.
    `item_ids` is the catalogue: rows of other items are left out, for nothing could be shown of them, and so are those
    without weight, as of what was only shown.
    Raises InteractionsError where there is no such day, or where one cannot be read.
    """
    tables = [_read_day(path, day) for day, path in _day_files(folder) if until is None or day <= until]
    if not tables:
        raise InteractionsError(f"{folder} has no day of interactions.", "Clean logs into it first.")
    table = pa.concat_tables(tables).unify_dictionaries()
    (user_ids, users), (seen_ids, items), (codes, countries) = (_numbered(table[name]) for name in _TEXTS)
    catalogue = pc.index_in(seen_ids, value_set=pa.array(item_ids, pa.string()))
    place = pc.fill_null(catalogue, -1).to_numpy(zero_copy_only=False).astype(np.int32)
    items = place[items]
    names = codes.to_pylist()
    if UNKNOWN_COUNTRY in names:
        countries = np.where(countries == names.index(UNKNOWN_COUNTRY), np.int32(NO_COUNTRY), countries)
    days, weights = (table[name].to_numpy() for name in ("day", "weight"))
    read = Interactions(user_ids.to_pylist(), list(item_ids), names, users, items, countries, days, weights)
    known = read.where((items >= 0) & (weights > 0))
    if not len(known):
        raise InteractionsError(
            f"{folder} has no interaction with an item of the catalogue.", "Check that they belong."
        )
    return known


def _day_files(folder: Path) -> list[tuple[date, Path]]:
    folder = folder / "interactions" if (folder / "interactions").is_dir() else folder
    days = [(day_of(path.name), path / "pairs.parquet") for path in sorted(folder.glob("day=*"))]
    if unnamed := [path.parent for day, path in days if day is None]:
        raise InteractionsError(f"{unnamed[0]} names no day.", "Name it like day=2026-01-31.")
    return [(day, path) for day, path in days if day]


def _read_day(path: Path, day: date) -> pa.Table:
    try:
        table = pq.read_table(path, columns=[*_TEXTS, "weight"], read_dictionary=list(_TEXTS), partitioning=None)
        weights = table["weight"].cast(pa.float32())
    except (OSError, KeyError, pa.ArrowException) as error:
        raise InteractionsError(f"{path} cannot be read: {error}.", "Clean the logs of that day again.") from error
    columns = {name: table[name].cast(pa.dictionary(pa.int32(), pa.string())) for name in _TEXTS}
    finite = pc.all(pc.is_finite(weights), skip_nulls=False, min_count=0).as_py()
    if not finite or any(column.null_count for column in columns.values()):
        raise InteractionsError(f"{path} has rows with missing values.", "Clean the logs of that day again.")
    numbers = pa.array(np.full(table.num_rows, day_number(day), np.int32))
    return pa.table({**columns, "weight": weights, "day": numbers})


def _numbered(column: pa.ChunkedArray) -> tuple[pa.Array, NDArray[np.int32]]:
    """Return the distinct texts and, for each row, which of them it has."""
    chunks = column.chunks
    numbers = np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in chunks])
    return chunks[0].dictionary, numbers.astype(np.int32)
