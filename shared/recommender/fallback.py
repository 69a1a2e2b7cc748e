"""What is recommended to whom: one's own list first, then that of the country, then that of all."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # which needs LMDB, and whoever only names a reason does not
    from shared.recommender.artifact import Artifact, Item


class Reason(StrEnum):
    """Which list an item comes from."""

    COLLABORATIVE = "collaborative"  # people alike use it
    COUNTRY_TOP = "country_top"
    GLOBAL_TOP = "global_top"


@dataclass(frozen=True)
class Recommended:
    """An item, and why it is shown."""

    item: "Item"
    reason: Reason


def recommend(
    artifact: "Artifact",
    user_id: str | None,
    country: str | None,
    n: int,
    excluded: Collection[str] = frozenset(),
) -> list[Recommended]:
    """Return up to n items, the best first, none twice and none whose id is excluded.

    Fewer only where all lists together hold no more. Without `user_id`, or with that of a stranger, the country's list
    comes first; without `country`, or with one that is not known, that of all.
    """
    found: list[Recommended] = []
    seen: set[int] = set()
    for number, reason in _candidates(artifact, user_id, country):
        if len(found) == n:
            break
        item = artifact.items[number]
        if number not in seen and item.item_id not in excluded:
            seen.add(number)
            found.append(Recommended(item, reason))
    return found


def _candidates(artifact: "Artifact", user_id: str | None, country: str | None) -> Iterator[tuple[int, Reason]]:
    """Yield item numbers down the chain; a list is looked at only where those before it were too short."""
    for number in (artifact.lists.get(user_id) if user_id else None) or ():
        yield number, Reason.COLLABORATIVE
    for number in artifact.country(country) if country else ():
        yield number, Reason.COUNTRY_TOP
    for number in artifact.global_list:
        yield number, Reason.GLOBAL_TOP
