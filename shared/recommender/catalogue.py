"""What there is to recommend: `catalogue.parquet`, a row for each item."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from shared.errors import ExpectedError
from shared.recommender.artifact import Item

_TEXTS = ("item_id", "title", "category", "icon")


class CatalogueError(ExpectedError):
    """The file does not tell what there is."""

    code = "catalogue_unusable"


@dataclass(frozen=True)
class Catalogue:
    """All items, and the day from which on each could be taken."""

    items: list[Item]
    released: dict[str, date]

    @property
    def item_ids(self) -> list[str]:
        """What the numbers of items stand for."""
        return [item.item_id for item in self.items]


def read_catalogue(path: Path) -> Catalogue:
    """Read item_id, title, category, icon and released (a date, or text like one). Raises CatalogueError."""
    try:
        table = pq.read_table(path, columns=[*_TEXTS, "released"], partitioning=None)
        days = table["released"].cast(pa.date32()).to_pylist()
    except (OSError, KeyError, pa.ArrowException) as error:
        raise CatalogueError(f"{path} cannot be read: {error}.", "Name the catalogue of these interactions.") from error
    items = [Item(*row) for row in zip(*(table[name].to_pylist() for name in _TEXTS), strict=True)]
    released = {item.item_id: day for item, day in zip(items, days, strict=True) if day is not None}
    if not items or len({item.item_id for item in items}) < len(items) or any(None in item for item in items):
        raise CatalogueError(f"{path} has no items, one twice, or one without a name.", "Correct the catalogue.")
    return Catalogue(items, released)
