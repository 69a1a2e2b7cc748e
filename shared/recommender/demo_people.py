"""The demo logs' people: where they live, what they like and how that changes, how much they do, for how long."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.recommender.demo_world import World

INTERESTS = 4  # of a person
ON_IMPULSE = 0.12  # the share of what somebody takes because everybody does

_THERE_AT_FIRST = 0.7  # share of people; the others come later, evenly
_LEAVING = 0.25
_ALIKE = 0.5  # share of interests that lie near one that somebody has already
_EVENNESS = 0.5  # the smaller, the more one interest outweighs somebody's others
_LASTING = np.float32(0.75)  # share of what somebody likes that is the same in the end
_ACTIVITY_SPREAD = 0.9  # standard deviation of the logarithm of how much somebody takes


@dataclass(frozen=True)
class People:
    """What is known of each person, one row each."""

    country: NDArray[np.int64]
    tastes: NDArray[np.int64]  # (n, INTERESTS)
    at_first: NDArray[np.float32]  # (n, INTERESTS): the weights of these on the first day
    in_the_end: NDArray[np.float32]  # and on the last; in between they change evenly
    taking: NDArray[np.float32]  # how many apps somebody looks for, were they there on all days
    arrival: NDArray[np.int64]  # the first day
    departure: NDArray[np.int64]  # the first day on which they are gone
    n_tastes: int

    def weights_on(self, rows: NDArray[np.int64], progress: NDArray[np.float64] | float) -> NDArray[np.float32]:
        """Return (n, INTERESTS) weights that sum to 1, when `progress`, 0..1, of all days has passed."""
        passed = np.asarray(progress, np.float32).reshape(-1, 1)
        return self.at_first[rows] * (1 - passed) + self.in_the_end[rows] * passed


def make_people(world: World, n_users: int, n_days: int, taking: float, random: np.random.Generator) -> People:
    """Draw people who look for so many apps each on average; the same ones for the same state of `random`."""
    country = np.searchsorted(np.cumsum(world.country_shares)[:-1], random.random(n_users))
    tastes = np.empty((n_users, INTERESTS), np.int64)
    tastes[:, 0] = draw_from_rows(world.interest, country, random)
    for number in range(1, INTERESTS):
        near = draw_from_rows(world.kinship, tastes[:, number - 1], random)
        tastes[:, number] = np.where(
            random.random(n_users) < _ALIKE, near, draw_from_rows(world.interest, country, random)
        )
    n_late = random.random(n_users) >= _THERE_AT_FIRST
    arrival = np.where(n_late, random.integers(0, n_days, n_users), 0)
    stay = np.where(random.random(n_users) < _LEAVING, random.integers(1, n_days + 1, n_users), n_days)
    at_first = _weights(n_users, random)
    activity = random.lognormal(-(_ACTIVITY_SPREAD**2) / 2, _ACTIVITY_SPREAD, n_users)
    return People(
        country=country,
        tastes=tastes,
        at_first=at_first,
        in_the_end=_LASTING * at_first + (1 - _LASTING) * _weights(n_users, random),
        taking=(taking * activity).astype(np.float32),
        arrival=arrival,
        departure=np.minimum(arrival + stay, n_days),
        n_tastes=world.interest.shape[1],
    )


def draw_from_rows(
    probabilities: NDArray[np.float64], rows: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.int64]:
    """Draw a column number for each of `rows`, by the probabilities in that row."""
    ends = np.cumsum(probabilities, axis=1)
    ends[:, -1] = 1.0
    # All rows behind one another in one ascending list: one search serves them all.
    behind_one_another = (ends + np.arange(len(ends))[:, None]).ravel()
    found = np.searchsorted(behind_one_another, rows + random.random(len(rows)), side="right")
    return np.asarray(np.minimum(found - rows * ends.shape[1], ends.shape[1] - 1))


def _weights(n_users: int, random: np.random.Generator) -> NDArray[np.float32]:
    drawn = random.standard_gamma(_EVENNESS, size=(n_users, INTERESTS), dtype=np.float32) + np.float32(1e-6)
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True), np.float32)
