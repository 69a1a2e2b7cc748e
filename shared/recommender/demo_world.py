"""The demo logs' world: apps with a taste, a catalogue for each country, and weeks in which apps come and go.

How often people of a taste take an app is its general popularity (Zipf's law), times how near it lies to that taste,
times how well it does in the country (not at all where the country's catalogue lacks it), times its fortune that day.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from shared.recommender.demo_words import CATEGORIES, titles

# Share of people in percent, and the market that some apps are made for.
COUNTRIES = {
    "IN": (16.0, "asia"), "US": (14.0, "english"), "BR": (8.0, "latin"), "ID": (7.0, "asia"), "MX": (5.0, "latin"),
    "RU": (5.0, "east"), "DE": (4.5, "europe"), "JP": (4.5, "asia"), "GB": (4.0, "english"), "FR": (3.5, "europe"),
    "TR": (3.5, "east"), "VN": (3.0, "asia"), "PH": (3.0, "asia"), "IT": (2.5, "europe"), "ES": (2.5, "europe"),
    "KR": (2.0, "asia"), "CA": (1.7, "english"), "PL": (1.5, "europe"), "AR": (1.5, "latin"), "AU": (1.2, "english"),
    "CO": (1.2, "latin"), "UA": (1.0, "east"), "NL": (0.9, "europe"), "EG": (0.8, "east"), "SE": (0.6, "europe"),
    "CH": (0.5, "europe"), "PT": (0.4, "europe"), "GR": (0.3, "europe"), "NZ": (0.3, "english"), "UY": (0.1, "latin"),
}  # fmt: skip

_TASTES_OF_A_CATEGORY = 2
_DIMENSIONS = 16
_ZIPF_EXPONENT = 0.85
_NEARNESS = 14.0  # as an exponent: by how much an app on a taste's very spot is preferred to one far from it
_APP_NOISE = 0.4
_WORLDWIDE, _REGIONAL = 0.5, 0.3  # the rest is made for one country alone
_SUCCESS = 0.7  # the smaller, the more an app does well in one country and badly in the next
_INTEREST = 1.0  # the smaller, the more countries differ in what they like
_NEW_APPS = 0.12  # share of apps that appear while the logs are written
_WEEKLY_CHANGE = 0.2  # of an app's fortune, as the standard deviation of its logarithm


@dataclass(frozen=True)
class World:
    """Apps (n_items of them), tastes and countries, all as numbers; `probabilities_on` puts them together."""

    countries: tuple[str, ...]
    country_shares: NDArray[np.float64]
    item_ids: list[str]
    titles: list[str]
    categories: NDArray[np.int64]
    released: NDArray[np.int64]  # day numbers, negative for what was there before
    attraction: NDArray[np.float32]  # (tastes + 1, n_items); the last row is what everybody looks at, the charts
    success: NDArray[np.float32]  # (countries, n_items), 0 where the country's catalogue lacks the app
    fortune: NDArray[np.float32]  # (days, n_items), at most 1, and 0 before the app's release
    kinship: NDArray[np.float64]  # (tastes, tastes): how often who has one taste has another
    interest: NDArray[np.float64]  # (countries, tastes): how common a taste is

    def probabilities_on(self, country: int, day: int) -> NDArray[np.float32]:
        """Return for each taste, and for the charts, the chance of each app: (tastes + 1, n_items), rows sum to 1."""
        weights = self.attraction * (self.success[country] * self.fortune[day])
        return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def make_world(n_items: int, n_days: int, random: np.random.Generator) -> World:
    """Draw a world; the same one for the same state of `random`."""
    shares = np.array([share for share, _ in COUNTRIES.values()])
    centres = np.repeat(random.normal(size=(len(CATEGORIES), _DIMENSIONS)), _TASTES_OF_A_CATEGORY, axis=0)
    tastes = _unit(centres + random.normal(size=centres.shape))
    popularity = random.permutation(np.arange(1, n_items + 1) ** -_ZIPF_EXPONENT)
    home = random.integers(len(tastes), size=n_items)
    places = _unit(tastes[home] + _APP_NOISE * _unit(random.normal(size=(n_items, _DIMENSIONS))))
    attraction = np.vstack([popularity * np.exp(_NEARNESS * tastes @ places.T), popularity])
    categories = home // _TASTES_OF_A_CATEGORY
    released = np.where(random.random(n_items) < _NEW_APPS, random.integers(1, n_days + 1, n_items), 0)
    released -= np.where(released == 0, random.integers(1, 1500, n_items), 0)
    return World(
        countries=tuple(COUNTRIES),
        country_shares=shares / shares.sum(),
        item_ids=[f"app-{number:06d}" for number in range(n_items)],
        titles=titles(categories, random),
        categories=categories,
        released=released,
        attraction=attraction.astype(np.float32),
        success=_success(n_items, shares, random),
        fortune=_fortune(released, n_days, random),
        kinship=_rows_to_one(np.exp(3 * tastes @ tastes.T) * (1 - np.eye(len(tastes)))),
        interest=_rows_to_one(random.gamma(_INTEREST, size=(len(COUNTRIES), len(tastes)))),
    )


def _success(n_items: int, shares: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float32]:
    regions = np.unique([region for _, region in COUNTRIES.values()], return_inverse=True)[1]
    makers = random.choice(len(shares), size=n_items, p=np.sqrt(shares) / np.sqrt(shares).sum())
    reach = random.random(n_items)
    is_home = np.arange(len(shares))[:, None] == makers
    is_offered = (
        is_home | (reach < _WORLDWIDE) | ((reach < _WORLDWIDE + _REGIONAL) & (regions[:, None] == regions[makers]))
    )
    return np.where(is_offered, random.beta(_SUCCESS, _SUCCESS, size=is_offered.shape), 0).astype(np.float32)


def _fortune(released: NDArray[np.int64], n_days: int, random: np.random.Generator) -> NDArray[np.float32]:
    weeks = n_days // 7 + 2
    by_week = np.cumsum(random.normal(0, _WEEKLY_CHANGE, size=(weeks, len(released))), axis=0)
    days = np.arange(n_days)
    part = (days % 7 / 7)[:, None]
    walk = np.exp(by_week[days // 7] * (1 - part) + by_week[days // 7 + 1] * part)
    age = days[:, None] - released
    walk *= np.where(age < 0, 0, 1 - np.exp(-(age + 1) / 5))  # a new app needs a week or two to become known
    return np.asarray(walk / np.maximum(walk.max(axis=0), 1e-9), np.float32)


def released_days(world: World, first_day: date) -> list[date]:
    """Return on which date each app appeared."""
    return [first_day + timedelta(days=int(number)) for number in world.released]


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _rows_to_one(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
