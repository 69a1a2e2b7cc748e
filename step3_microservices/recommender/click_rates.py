"""Click-through rates, and how far chance alone may have moved each of them.

The interval is Wilson's ("Probable Inference, the Law of Succession, and Statistical Inference", Journal of the
American Statistical Association 22, 1927, pages 209-212): unlike the textbook's it stays within 0 and 1, and holds for
rates as low as those of clicks. It takes impressions as independent; one person sees several, so it is a bit narrow.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import date
from math import sqrt
from typing import NamedTuple, TypeVar

Z_95 = 1.959964  # standard deviations of a normal number that leave out 2.5% on either side

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Outcome:
    """What became of items in lists. Each counts once, however often it was clicked, so no rate exceeds 1."""

    impressions: int = 0
    clicks: int = 0  # of what was seen
    dismissals: int = 0  # of what was seen
    unseen: int = 0  # answered to, although no impression has come

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            self.impressions + other.impressions,
            self.clicks + other.clicks,
            self.dismissals + other.dismissals,
            self.unseen + other.unseen,
        )

    @property
    def rate(self) -> float | None:
        """Clicks per impression; None where there was none."""
        return self.clicks / self.impressions if self.impressions else None

    @property
    def interval(self) -> tuple[float, float]:
        """The rates that go with this outcome, at 95%; all of them where there was no impression."""
        return wilson_interval(self.clicks, self.impressions)


class Cell(NamedTuple):
    """The outcome of one arm, position, country (empty where unknown) and day."""

    arm: str
    position: int
    country: str
    day: date
    outcome: Outcome


def wilson_interval(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Return the bounds of Wilson's score interval for a share."""
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    centre = share + z * z / (2 * trials)
    reach = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)


def outcomes_by(key: Callable[[Cell], Key], cells: Iterable[Cell]) -> dict[Key, Outcome]:
    """Add up the cells that have the same key."""
    sums: dict[Key, Outcome] = defaultdict(Outcome)
    for cell in cells:
        sums[key(cell)] += cell.outcome
    return dict(sums)
