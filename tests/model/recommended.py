"""Artifacts that tests serve: few items, few users, and lists that are known by eye."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np

from shared.recommender.artifact import Item, write_artifact
from shared.recommender.list_writing import NO_ITEM
from shared.recommender.manifest import Manifest

ITEMS = tuple(Item(f"app-{number}", f"App {number}", "games" if number % 2 else "tools", "🎲") for number in range(40))
LISTS = {"ann": (3, 1, 4), "ben": (1, 5, 9, 2), "cai": tuple(range(20))}
COUNTRIES = {"DE": (10, 11, 12, 3), "FR": (20, 21)}
EVERYWHERE = (30, 31, 10, 32, 33, 34, 35, 36, 37, 38, 39, 0, 1, 2)


def rows(lists: Sequence[Sequence[int]]) -> np.ndarray:
    """Lists as training hands them over: 20 wide, short ones filled up."""
    numbers = np.full((len(lists), 20), NO_ITEM, np.uint32)
    for row, one in zip(numbers, lists, strict=True):
        row[: len(one)] = one
    return numbers


def written(
    folder: Path,
    lists: Mapping[str, Sequence[int]] = LISTS,
    *,
    items: Sequence[Item] = ITEMS,
    trained_until: date = date(2026, 11, 20),
) -> Manifest:
    return write_artifact(
        folder,
        items=items,
        lists=[(list(lists), rows(list(lists.values())))],
        country_lists=COUNTRIES,
        global_list=EVERYWHERE,
        card={"ndcg@10": 0.14},
        trained_until=trained_until,
    )
