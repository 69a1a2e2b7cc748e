"""Names for the demo logs' apps: a category with its picture, and titles that a person can tell apart."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

CATEGORIES = {
    "puzzle": "🧩", "racing": "🏎️", "cards": "🃏", "strategy": "♟️", "sports": "⚽", "music": "🎵", "photo": "📷",
    "video": "🎬", "chat": "💬", "dating": "💘", "news": "📰", "weather": "⛅", "maps": "🗺️", "travel": "✈️",
    "food": "🍜", "recipes": "🍳", "fitness": "🏃", "health": "🩺", "money": "💶", "shopping": "🛍️", "books": "📚",
    "languages": "🗣️", "children": "🧸", "notes": "📝",
}  # fmt: skip

_FIRST = (
    "Amber", "Bright", "Calm", "Daily", "Easy", "Fast", "Golden", "Happy", "Indigo", "Jolly", "Kind", "Little", "Merry",
    "Nimble", "Open", "Pocket", "Quick", "Royal", "Simple", "Tiny", "Urban", "Vivid", "Warm", "Young",
)  # fmt: skip
_LAST = (
    "Anchor", "Bear", "Cloud", "Door", "Engine", "Fox", "Garden", "Harbour", "Island", "Jungle", "Kite", "Lantern",
    "Mill", "Nest", "Orbit", "Planet", "Quest", "River", "Star", "Tower", "Umbrella", "Valley", "Window", "Yard",
)  # fmt: skip


def titles(categories: NDArray[np.int64], random: np.random.Generator) -> list[str]:
    """Return a title for each app, given the numbers of their categories; a used-up name gets a number."""
    names = list(CATEGORIES)
    pairs = [f"{first} {last}" for first, last in product(_FIRST, _LAST)]
    order = random.permutation(len(pairs))
    found = []
    for number, category in enumerate(categories):
        again, place = divmod(number, len(pairs))
        suffix = f" {again + 1}" if again else ""
        found.append(f"{pairs[order[place]]} {names[category].title()}{suffix}")
    return found


def phrases() -> list[str]:
    """Return what people type when they search: a category, or one with a wish."""
    return [f"{before}{name}" for name in CATEGORIES for before in ("", "best ", "free ", "new ")]
