"""Interactions to try models on: a board whose right answer is known by eye, and a small demo world with its truth."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from shared.recommender.demo_journeys import VIEW, Shelves, journeys
from shared.recommender.demo_truth import DemoSettings, Truth
from shared.recommender.interactions import Interactions, day_number

FIRST_DAY = date(2026, 9, 1)


def interactions(rows, n_users=None, n_items=None, countries=("DE", "JP")):
    """Rows of (user, item, country, days after FIRST_DAY, weight)."""
    columns = np.array(rows, np.float64).reshape(-1, 5).T
    users, items, places, days = columns[:4].astype(np.int32)
    return Interactions(
        user_ids=[f"user-{number}" for number in range(n_users or users.max() + 1)],
        item_ids=[f"item-{number}" for number in range(n_items or items.max() + 1)],
        country_codes=countries,
        users=users,
        items=items,
        countries=places,
        days=days + np.int32(day_number(FIRST_DAY)),
        weights=columns[4].astype(np.float32),
    )


def checkerboard(size=40, taken=0.6, seed=1):
    """Even users take even items, odd ones odd items, each a part of them; the rest is what they should be shown."""
    random = np.random.default_rng(seed)
    fields = [(user, item) for user in range(size) for item in range(user % 2, size, 2)]
    rows = [(user, item, 0, random.integers(10), 1) for user, item in fields if random.random() < taken]
    return interactions(rows, n_users=size + 1, n_items=size)  # the last user is a stranger


@dataclass(frozen=True)
class DemoWorld:
    """What people of a small demo world took, without dirt, and the truth behind it."""

    truth: Truth
    interactions: Interactions


def demo_world(users=4000, items=400, days=40, seed=1):
    settings = DemoSettings(users=users, items=items, days=days, seed=seed, first_day=FIRST_DAY)
    truth = Truth.from_settings(settings)
    done = journeys(truth.people, np.arange(users), Shelves(truth.world), days, np.random.default_rng(seed))
    rows = done.rows(np.flatnonzero(done.kind == VIEW))
    taken = Interactions(
        user_ids=truth.user_ids,
        item_ids=truth.item_ids,
        country_codes=truth.world.countries,
        users=rows.user.astype(np.int32),
        items=rows.item.astype(np.int32),
        countries=truth.people.country[rows.user].astype(np.int32),
        days=(rows.day + day_number(FIRST_DAY)).astype(np.int32),
        weights=np.ones(len(rows.user), np.float32),
    )
    return DemoWorld(truth, taken)


def released(world):
    """The day of each item's release."""
    days = world.truth.world.released
    return {item: FIRST_DAY + timedelta(days=int(day)) for item, day in zip(world.truth.item_ids, days, strict=True)}
