"""Write demo logs: people do what the truth makes likely, part by part, and something goes wrong as it does.

Each part holds some thousands of people over all days, and is drawn from a random state of its own: memory stays what
two parts need, several threads write at once, and the same settings give the same bytes on however many of them.
"""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shared.recommender.demo_dirt import bots, cut_lines, spoiled
from shared.recommender.demo_journeys import NONE, Events, Shelves, journeys
from shared.recommender.demo_text import hexadecimal, times
from shared.recommender.demo_truth import TRUTH, Truth, mixed, user_ids
from shared.recommender.demo_words import CATEGORIES, phrases
from shared.recommender.demo_world import released_days
from shared.recommender.logs import COLUMNS, EVENTS, Format, LogsError, day_name

CATALOGUE = "catalogue.parquet"
PEOPLE_OF_A_PART = 20_000

_BOTS_OF_A_PART = 10_000  # at most; so many numbers are theirs


@dataclass(frozen=True)
class _Part:
    """The people of a part, then its bots, as the numbers from 0 on in its events."""

    number: int
    ids: Any
    homes: NDArray[np.int64]
    random: np.random.Generator


class DemoWriter:
    """Writes one truth's logs into a folder, in one format."""

    def __init__(self, truth: Truth, folder: Path, form: Format) -> None:
        """Prepare what all parts need; the folders of the days must be there."""
        self._truth = truth
        self._folder = folder
        self._form = form
        self._shelves = Shelves(truth.world)
        self._items = pa.array(truth.item_ids)
        self._countries = pa.array(truth.world.countries)
        self._events = pa.array(EVENTS)
        self._phrases = pa.array(phrases())

    def write_part(self, number: int) -> tuple[int, int]:
        """Write all that a part's people and bots do; return how many people and rows."""
        settings = self._truth.settings
        random = np.random.default_rng([settings.seed, 2, number])
        people = np.arange(number * PEOPLE_OF_A_PART, min((number + 1) * PEOPLE_OF_A_PART, settings.users))
        done = journeys(self._truth.people, people, self._shelves, settings.days, random)
        mischief = bots(len(done.user), settings.days, settings.items, random)
        part = self._part(number, people, int(mischief.user.max(initial=-1)) + 1, random)
        done = replace(done, user=done.user - people[0])
        events = Events.joined([done, replace(mischief, user=mischief.user + len(people))])
        events = events.rows(np.argsort(events.day * 86_400 + events.second, kind="stable"))
        ends = np.searchsorted(events.day, np.arange(settings.days + 1))
        rows = sum(self._write_day(day, part, events, slice(ends[day], ends[day + 1])) for day in range(settings.days))
        return len(people), rows

    def _part(self, number: int, people: NDArray[np.int64], n_bots: int, random: np.random.Generator) -> _Part:
        bot_numbers = self._truth.settings.users + number * _BOTS_OF_A_PART + np.arange(n_bots)
        ids = user_ids(self._truth.settings.seed, np.concatenate([people, bot_numbers]))
        homes = [self._truth.people.country[people], random.integers(len(self._countries), size=n_bots)]
        return _Part(number, ids, np.concatenate(homes), random)

    def _write_day(self, day: int, part: _Part, all_days: Events, chosen: slice) -> int:
        settings, events = self._truth.settings, all_days.rows(chosen)
        if not len(events.user):
            return 0
        numbers = np.arange(chosen.start, chosen.stop, dtype=np.uint64) + np.uint64(part.number << 40)
        columns = {
            "time": times(settings.date_of(day).isoformat(), events.second),
            "event_id": hexadecimal(mixed(numbers, settings.seed + 1)),
            "user_id": part.ids.take(pa.array(events.user)),
            "country": self._countries.take(pa.array(part.homes[events.user])),
            "event": self._events.take(pa.array(events.kind)),
            "item_id": self._items.take(_or_null(events.item)),
            "query": self._phrases.take(_or_null(self._words(events))),
        }
        columns = spoiled(columns, settings.date_of(day), part.random)
        table = pa.table([columns[name] for name in COLUMNS], names=list(COLUMNS))
        path = self._folder / day_name(settings.date_of(day)) / f"part-{part.number:05d}.{self._form}"
        if self._form == "parquet":
            pq.write_table(table, path, compression="zstd", compression_level=1)
        else:
            path.write_bytes(cut_lines(_json_lines(table), part.random).buffers()[2])
        return len(table)

    def _words(self, events: Events) -> NDArray[np.int64]:
        """Return the numbers of what was typed to find an app: its category, in one of four ways."""
        wanted = self._truth.world.categories[events.sought] * 4 + events.second % 4
        return np.where(events.sought == NONE, NONE, wanted)


def write_demo_logs(truth: Truth, folder: Path, form: Format, threads: int, progress: Callable[[int], object]) -> int:
    """Write logs, catalogue and truth into a new folder, and return how many rows; tell `progress` of people done.

    The folder gets its name last: what is there is whole. Raises LogsError.
    """
    unfinished = folder.with_name(f"{folder.name}.part")
    try:
        if folder.exists():
            raise LogsError(f"{folder} exists.", "Name a new folder, or remove it: nothing is overwritten.")
        shutil.rmtree(unfinished, ignore_errors=True)
        for day in range(truth.settings.days):
            (unfinished / day_name(truth.settings.date_of(day))).mkdir(parents=True)
        rows = _write_parts(DemoWriter(truth, unfinished, form), truth.settings.users, threads, progress)
        pq.write_table(catalogue(truth), unfinished / CATALOGUE)
        (unfinished / TRUTH).write_text(truth.settings_json(), encoding="utf-8")
        unfinished.rename(folder)
    except OSError as error:
        raise LogsError(f"{folder} cannot be written to ({error.strerror}).", "Choose another folder.") from error
    return rows


def _write_parts(writer: DemoWriter, users: int, threads: int, progress: Callable[[int], object]) -> int:
    rows = 0
    with ThreadPoolExecutor(threads) as pool:
        parts = pool.map(writer.write_part, range(-(-users // PEOPLE_OF_A_PART)))
        try:
            for people, written in parts:
                rows += written
                progress(people)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return rows


def catalogue(truth: Truth) -> Any:  # noqa: ANN401 - PyArrow has no types
    """Return the apps as an Arrow table: item_id, title, category, icon, released."""
    names, icons = zip(*CATEGORIES.items(), strict=True)
    return pa.table(
        {
            "item_id": truth.item_ids,
            "title": truth.world.titles,
            "category": [names[number] for number in truth.world.categories],
            "icon": [icons[number] for number in truth.world.categories],
            "released": released_days(truth.world, truth.settings.first_day),
        }
    )


def _or_null(numbers: NDArray[np.int64]) -> Any:  # noqa: ANN401 - PyArrow has no types
    return pa.array(numbers, mask=numbers == NONE)


def _json_lines(table: Any) -> Any:  # noqa: ANN401 - PyArrow has no types
    """Return an Arrow array with one JSON object for each row; no text in demo logs has anything to escape."""
    parts: list[Any] = []
    for name in COLUMNS:
        text = pc.binary_join_element_wise('"', table[name].combine_chunks(), '"', "")
        parts += [f'{"," if parts else "{"}"{name}":', pc.fill_null(text, "null")]
    return pc.binary_join_element_wise(*parts, "}\n", "")
