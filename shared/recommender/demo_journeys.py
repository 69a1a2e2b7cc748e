"""What people do in the demo logs: they look for apps, view them, install most, use them for a while, drop some."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.recommender.demo_people import INTERESTS, ON_IMPULSE, People
from shared.recommender.demo_world import World
from shared.recommender.logs import EVENTS

Numbers = NDArray[np.int64]
SEARCH, VIEW, INSTALL, USE, UNINSTALL = range(5)
NONE = -1

_SEARCHED = 0.4  # share of apps that are found by a search, not by looking around
_INSTALLED = 0.65
_UNINSTALLED = 0.12
_USES = 3.5  # of an installed app on average
_BY_WEEKDAY = np.array([0.95, 0.9, 0.9, 0.95, 1.05, 1.2, 1.15])
_BY_HOUR = np.array([2, 1, 1, 1, 1, 2, 3, 5, 6, 6, 6, 6, 7, 7, 6, 6, 7, 8, 9, 10, 11, 10, 7, 4])

assert EVENTS[: UNINSTALL + 1] == ("search", "view", "install", "use", "uninstall")  # noqa: S101 - two lists, one order


@dataclass(frozen=True)
class Events:
    """Rows of logs as numbers, one array each; NONE where a row has no such thing."""

    user: Numbers
    item: Numbers
    day: Numbers
    second: Numbers
    kind: Numbers
    sought: Numbers  # the app that a search leads to

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Put the rows of several behind one another."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def rows(self, chosen: Numbers | slice) -> Self:
        """Return these rows, in this order."""
        return type(self)(*(getattr(self, field.name)[chosen] for field in fields(self)))


class Shelves:
    """Draws an app for each country, taste and day that is asked for, by exactly the chances that the truth names."""

    def __init__(self, world: World) -> None:
        """Add up each country's chances once."""
        self._n_tastes = len(world.attraction)
        self._fortune = world.fortune
        offered = [np.flatnonzero(success) for success in world.success]
        ends: list[NDArray[np.float64]] = []
        for success, items in zip(world.success, offered, strict=True):
            totals = np.cumsum((world.attraction[:, items] * success[items]).astype(np.float64), axis=1)
            ends.append(
                (totals / totals[:, -1:] + len(ends) * self._n_tastes + np.arange(self._n_tastes)[:, None]).ravel()
            )
        # All rows behind one another in one ascending list: one search serves all countries and tastes.
        self._ends = np.concatenate(ends)
        self._offered = np.concatenate(offered)
        lengths = np.array([len(items) for items in offered])
        self._lengths = lengths
        self._first_offered = np.cumsum(lengths) - lengths
        self._first_end = np.cumsum(lengths * self._n_tastes) - lengths * self._n_tastes

    def draw(self, country: Numbers, taste: Numbers, day: Numbers, random: np.random.Generator) -> Numbers:
        """Return an app for each; what the day's fortune does not favour is drawn again."""
        found = np.empty(len(country), np.int64)
        waiting = np.arange(len(country))
        while len(waiting):
            places, tastes = country[waiting], taste[waiting]
            row = places * self._n_tastes + tastes
            at = np.searchsorted(self._ends, row + random.random(len(row)), side="right")
            within = at - self._first_end[places] - tastes * self._lengths[places]
            item = self._offered[self._first_offered[places] + np.clip(within, 0, self._lengths[places] - 1)]
            is_taken = random.random(len(item), dtype=np.float32) < self._fortune[day[waiting], item]
            found[waiting[is_taken]] = item[is_taken]
            waiting = waiting[~is_taken]
        return found


def journeys(people: People, rows: Numbers, shelves: Shelves, n_days: int, random: np.random.Generator) -> Events:
    """Return all that the people of these row numbers do, in no order."""
    user, day = _occasions(people, rows, n_days, random)
    taste = _tastes(people, user, day, n_days, random)
    item = shelves.draw(people.country[user], taste, day, random)
    user, item, day = _first_times(user, item, day)
    second = _moments(len(user), random)
    is_searched = random.random(len(user)) < _SEARCHED
    is_installed = random.random(len(user)) < _INSTALLED
    searches = Events(user, np.full(len(user), NONE), day, second, np.full(len(user), SEARCH), item)
    views = _events(user, item, day, second + random.integers(5, 60, len(user)), VIEW)
    installs = _events(user, item, day, second + random.integers(60, 180, len(user)), INSTALL).rows(
        np.flatnonzero(is_installed)
    )
    return Events.joined(
        [searches.rows(np.flatnonzero(is_searched)), views, installs, *_after_install(people, installs, random)]
    )


def _occasions(people: People, rows: Numbers, n_days: int, random: np.random.Generator) -> tuple[Numbers, Numbers]:
    """Return who looks for an app on which day, one row each."""
    reached = np.concatenate([[0.0], np.cumsum(_BY_WEEKDAY[np.arange(n_days) % 7])])
    start, end = reached[people.arrival[rows]], reached[people.departure[rows]]
    times = random.poisson(people.taking[rows] * (end - start) / reached[-1]) + 1  # nobody comes for nothing
    at = np.repeat(start, times) + random.random(times.sum()) * np.repeat(end - start, times)
    return np.repeat(rows, times), np.clip(np.searchsorted(reached, at, side="right") - 1, 0, n_days - 1)


def _tastes(people: People, user: Numbers, day: Numbers, n_days: int, random: np.random.Generator) -> Numbers:
    """Return what each looks for: one of their tastes, or, after the last of all tastes, the charts."""
    ends = np.cumsum(people.weights_on(user, day / n_days), axis=1)
    choice = (random.random((len(user), 1), dtype=np.float32) * ends[:, -1:] >= ends[:, : INTERESTS - 1]).sum(axis=1)
    return np.where(random.random(len(user)) < ON_IMPULSE, people.n_tastes, people.tastes[user, choice])


def _first_times(user: Numbers, item: Numbers, day: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Leave out that somebody takes what they have taken before; return the rest by person and app."""
    n_items, n_days = item.max() + 1, day.max() + 1
    keys = np.sort((user * n_items + item) * n_days + day)
    pairs = keys // n_days
    keys = keys[np.concatenate([[True], pairs[1:] != pairs[:-1]])]
    return keys // n_days // n_items, keys // n_days % n_items, keys % n_days


def _after_install(people: People, installs: Events, random: np.random.Generator) -> list[Events]:
    """Return the uses of what was installed, fewer and fewer from that day on, and how some of it is dropped."""
    gone = people.departure[installs.user]
    is_dropped = random.random(len(gone)) < _UNINSTALLED
    kept_for = np.where(is_dropped, np.ceil(random.random(len(gone)) * (gone - installs.day)), gone - installs.day)
    times = random.geometric(1 / (_USES + 1), len(gone)) - 1
    spread = np.repeat(kept_for, times) * random.random(times.sum()) ** 2
    user, item, first = (np.repeat(column, times) for column in (installs.user, installs.item, installs.day))
    used = _events(user, item, first + spread.astype(np.int64), _moments(len(user), random), USE)
    dropped = installs.rows(np.flatnonzero(is_dropped))
    last = dropped.day + kept_for[is_dropped].astype(np.int64) - 1
    return [used, _events(dropped.user, dropped.item, last, np.full(len(last), 86_399), UNINSTALL)]


def _moments(count: int, random: np.random.Generator) -> Numbers:
    """Return seconds of a day, as people are awake."""
    hours = np.repeat(np.arange(24), _BY_HOUR)
    return hours[random.integers(len(hours), size=count)] * 3600 + random.integers(3600, size=count)


def _events(user: Numbers, item: Numbers, day: Numbers, second: Numbers, kind: int) -> Events:
    nothing = np.full(len(user), NONE)
    return Events(user, item, day, np.minimum(second, 86_399), np.full(len(user), kind), nothing)
