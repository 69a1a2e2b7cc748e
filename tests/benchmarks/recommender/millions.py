"""Lists for millions of users, as training would write them: what they say is chance, what they take is not."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np

from shared.recommender.artifact import Item, write_artifact
from shared.recommender.list_writing import Batch
from shared.recommender.manifest import Manifest

ITEMS, LENGTH, AT_ONCE = 5_000, 20, 100_000
COUNTRIES = ("DE", "FR", "US", "IN", "BR", "JP")


def user_id(number: int) -> str:
    return f"user-{number:08d}"


def items() -> list[Item]:
    return [Item(f"app-{number}", f"Application {number}", "games", "🎲") for number in range(ITEMS)]


def batches(users: int) -> Iterator[Batch]:
    """Yield every user once, with 20 items that popular ones are most of."""
    random = np.random.default_rng(1)
    for start in range(0, users, AT_ONCE):
        count = min(AT_ONCE, users - start)
        numbers = (random.random((count, LENGTH), np.float32) ** 3 * ITEMS).astype(np.uint32)
        yield [user_id(number) for number in range(start, start + count)], numbers


def write(folder: Path, users: int, given: Iterator[Batch] | None = None) -> Manifest:
    """Write an artifact for so many users."""
    return write_artifact(
        folder,
        items=items(),
        lists=given or batches(users),
        country_lists={code: list(range(place, 2 * ITEMS // 3, 37)) for place, code in enumerate(COUNTRIES)},
        global_list=list(range(200)),
        card={},
        trained_until=date(2026, 11, 20),
    )
