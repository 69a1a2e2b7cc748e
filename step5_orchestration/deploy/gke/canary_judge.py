"""Whether a canary is as good as what it stands beside: from several looks, since one look is mostly chance."""

from dataclasses import dataclass
from enum import Enum

from step5_orchestration.deploy.gke.canary_figures import Figures


class Verdict(Enum):
    """What is to be done."""

    LOOK_AGAIN = "look again"
    GO_ON = "go on"
    GO_BACK = "go back"


class Impression(Enum):
    """What one look says."""

    TOO_FEW = "too few requests to tell"
    GOOD = "as good"
    BETWEEN = "neither clearly as good nor clearly worse"
    BAD = "worse"


@dataclass(frozen=True)
class Limits:
    """How much worse is worse. Between good and bad is room, so that noise at one limit decides nothing."""

    min_requests: int = 100  # of the canary, in the time that is looked at
    good_errors: float = 0.005  # that the canary's share of errors may be above the others'
    bad_errors: float = 0.02
    good_slowness: float = 1.1  # that its p99 may be, over the others'
    bad_slowness: float = 1.5
    slack_s: float = 0.05  # and as many seconds more: p99 of what is quick is rough
    good_looks: int = 3  # in a row, to go on
    bad_looks: int = 2  # in a row, to go back
    most_looks: int = 40  # without a decision; then it goes back


class Judge:
    """Remembers the looks at one weight."""

    def __init__(self, limits: Limits) -> None:
        """Begin with no impression."""
        self._limits = limits
        self._last: Impression | None = None
        self._in_a_row = self._looks = 0

    def look(self, canary: Figures, stable: Figures) -> tuple[Impression, Verdict]:
        """Take one look; return what it says, and what all of them say."""
        impression = impression_of(canary, stable, self._limits)
        self._looks += 1
        self._in_a_row = self._in_a_row + 1 if impression is self._last else 1
        self._last = impression
        return impression, self._verdict(impression)

    def _verdict(self, impression: Impression) -> Verdict:
        limits = self._limits
        if impression is Impression.BAD and self._in_a_row >= limits.bad_looks:
            return Verdict.GO_BACK
        if impression is Impression.GOOD and self._in_a_row >= limits.good_looks:
            return Verdict.GO_ON
        return Verdict.GO_BACK if self._looks >= limits.most_looks else Verdict.LOOK_AGAIN


def impression_of(canary: Figures, stable: Figures, limits: Limits) -> Impression:
    """Return what the figures of one moment say."""
    if canary.requests < limits.min_requests or not stable.requests:
        return Impression.TOO_FEW
    more_errors = canary.error_ratio - stable.error_ratio
    slower_s = canary.p99_s - limits.slack_s
    if more_errors > limits.bad_errors or slower_s > limits.bad_slowness * stable.p99_s:
        return Impression.BAD
    if more_errors <= limits.good_errors and slower_s <= limits.good_slowness * stable.p99_s:
        return Impression.GOOD
    return Impression.BETWEEN
