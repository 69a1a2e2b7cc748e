"""The A/B experiment: who gets which list, and whether the arms were filled as they were meant to be.

An arm that has too few users for its share lost some of them, or their events, on the way, and then a comparison of the
arms means nothing, however clear it looks (Fabijan et al., "Diagnosing Sample Ratio Mismatch in Online Controlled
Experiments", KDD 2019).
"""

import hashlib
from dataclasses import dataclass
from math import erfc, sqrt

CONTROL, COLLABORATIVE, NO_ARM = "control", "collaborative", "none"

_ALARM_BELOW = 0.001  # the p-value: by chance alone, one look in a thousand


@dataclass(frozen=True)
class Experiment:
    """One experiment; `control_share` of all users, from 0 to 1, get what is popular in their country."""

    name: str = "collaborative-lists"
    control_share: float = 0.5

    def arm(self, user_id: str | None) -> str:
        """Return a user's arm, always the same for the same name; a stranger, who has no id, is in none."""
        if not user_id:
            return NO_ARM
        digest = hashlib.blake2b(f"{self.name}\0{user_id}".encode(), digest_size=8).digest()
        return CONTROL if int.from_bytes(digest, "big") < self.control_share * 2**64 else COLLABORATIVE


@dataclass(frozen=True)
class SampleRatio:
    """How many users each arm has, against how many it should have: Pearson's chi-square, one degree of freedom.

    It is that of one experiment while it had one share: another share, or another name, deals the arms anew.
    """

    control_users: int
    collaborative_users: int
    control_share: float
    experiment: str = Experiment.name

    @property
    def chi_square(self) -> float | None:
        """The statistic; None where there are no users, or only one arm."""
        users = self.control_users + self.collaborative_users
        expected = users * self.control_share
        spread = expected * (1 - self.control_share)
        return (self.control_users - expected) ** 2 / spread if spread else None

    @property
    def p_value(self) -> float | None:
        """How likely chance alone is so far off: the square of a standard normal number is above the statistic."""
        return None if self.chi_square is None else erfc(sqrt(self.chi_square / 2))

    @property
    def is_off(self) -> bool:
        """Whether nobody should trust a comparison of the arms."""
        return self.p_value is not None and self.p_value < _ALARM_BELOW
