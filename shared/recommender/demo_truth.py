"""What is true in the demo logs, made again from their settings: the chance that a person takes each app next."""

import json
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError

from shared.recommender.demo_people import INTERESTS, ON_IMPULSE, People, make_people
from shared.recommender.demo_text import hexadecimal
from shared.recommender.demo_world import World, make_world
from shared.recommender.logs import LogsError

TRUTH = "truth.json"


@dataclass(frozen=True)
class DemoSettings:
    """All that decides what the demo logs say."""

    users: Annotated[int, Field(ge=1, le=20_000_000)] = 100_000
    items: Annotated[int, Field(ge=200, le=50_000)] = 5_000
    days: Annotated[int, Field(ge=2, le=730)] = 60
    seed: Annotated[int, Field(ge=0)] = 1
    first_day: date = date(2026, 9, 1)
    taking: Annotated[float, Field(gt=0, le=200)] = 36.0  # apps that somebody looks for who is there on all days

    def date_of(self, day: int) -> date:
        """Return the date of a day number."""
        return self.first_day + timedelta(days=day)


@dataclass(frozen=True)
class Truth:
    """The world and the people behind demo logs; row numbers of people and apps are those of the id lists."""

    settings: DemoSettings
    world: World
    people: People

    @classmethod
    def from_settings(cls, settings: DemoSettings) -> Self:
        """Make the world and the people of these settings; takes about a second for a million people."""
        for_world, for_people = (np.random.default_rng([settings.seed, part]) for part in range(2))
        world = make_world(settings.items, settings.days, for_world)
        people = make_people(world, settings.users, settings.days, settings.taking, for_people)
        return cls(settings, world, people)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Make the truth of the demo logs in a folder; raise LogsError where it holds none."""
        try:
            return cls.from_settings(TypeAdapter(DemoSettings).validate_json((folder / TRUTH).read_bytes()))
        except (OSError, ValidationError) as error:
            raise LogsError(f"{folder / TRUTH} cannot be read.", "Only demo logs come with their truth.") from error

    def settings_json(self) -> str:
        """Return what `read` reads."""
        return json.dumps(asdict(self.settings), default=str, indent=2) + "\n"

    @cached_property
    def user_ids(self) -> list[str]:
        """The ids of all people, in row order."""
        return list(user_ids(self.settings.seed, np.arange(self.settings.users)).to_pylist())

    @property
    def item_ids(self) -> list[str]:
        """The ids of all apps, in row order."""
        return self.world.item_ids

    @property
    def countries(self) -> list[str]:
        """The country of each person, in row order."""
        return [self.world.countries[number] for number in self.people.country]

    def item_probabilities(self, users: NDArray[np.int64], day: date) -> NDArray[np.float32]:
        """Return for each of these row numbers the chance that each app is the next to be taken that day, (n, n_items).

        Nothing is left out of what somebody has taken already: scale up the rest to leave that out.
        """
        number = self._number_of(day)
        rows = np.asarray(users)
        interests = self._interests(rows, number)
        chances = np.empty((len(rows), self.settings.items), np.float32)
        for country in np.unique(self.people.country[rows]):
            here = self.people.country[rows] == country
            chances[here] = interests[here] @ self.world.probabilities_on(int(country), number)
        return chances

    def country_probabilities(self, country: str, day: date) -> NDArray[np.float32]:
        """Return the chance that each app is taken next by somebody of a country of whom nothing else is known."""
        number = self._number_of(day)
        code = self.world.countries.index(country)
        rows = np.flatnonzero(self.people.country == code)
        typical = self._interests(rows, number).mean(axis=0)
        return np.asarray(typical @ self.world.probabilities_on(code, number), np.float32)

    def _number_of(self, day: date) -> int:
        return min(max((day - self.settings.first_day).days, 0), self.settings.days - 1)

    def _interests(self, rows: NDArray[np.int64], day: int) -> NDArray[np.float32]:
        """Return what people look for that day, as weights of all tastes and the charts: (n, tastes + 1)."""
        interests = np.zeros((len(rows), len(self.world.attraction)), np.float32)
        weights = self.people.weights_on(rows, day / self.settings.days) * (1 - ON_IMPULSE)
        for number in range(INTERESTS):  # one after another: a taste may be there twice
            interests[np.arange(len(rows)), self.people.tastes[rows, number]] += weights[:, number]
        interests[:, -1] = ON_IMPULSE
        return interests


def user_ids(seed: int, rows: NDArray[np.int64]) -> Any:  # noqa: ANN401 - PyArrow has no types
    """Return the ids of people as an Arrow array of text: their numbers, mixed so that nothing shows in them."""
    return hexadecimal(mixed(rows.astype(np.uint64), seed), b"u-")


def mixed(numbers: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Return other numbers, none of them twice: the last steps of SplitMix64, each of which can be undone."""
    mixed = numbers + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))
