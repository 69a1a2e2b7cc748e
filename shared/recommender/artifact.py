"""Recommendations as they are served: lists for known users, and for strangers those of their country and of all.

<folder>/<version>/manifest.json    what the files must be like, and how the model did
<folder>/<version>/lists.mdb        the lists of known users (see `lists.py`)
<folder>/<version>/catalogue.json   what the item numbers stand for, and the lists of countries and of all
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.errors import ArtifactError
from shared.recommender.lists import KEY_BYTES, Lists, number_bytes
from shared.recommender.manifest import (
    CATALOGUE,
    FORMAT,
    LISTS,
    MANIFEST,
    FileFacts,
    Manifest,
    parse_manifest,
)

if TYPE_CHECKING:
    from shared.recommender.list_writing import Batch


class Item(NamedTuple):
    """Something that is recommended; `icon` is an emoji, or the address of a picture."""

    item_id: str
    title: str
    category: str
    icon: str


@dataclass(frozen=True)
class Artifact:
    """Recommendations that are open for reading. Whoever opens it closes it, once nobody asks any more."""

    manifest: Manifest
    items: tuple[Item, ...]
    lists: Lists
    countries: Mapping[str, tuple[int, ...]]
    global_list: tuple[int, ...]

    def country(self, code: str) -> tuple[int, ...]:
        """Return a country's item numbers, the best first; none for one that is not known."""
        return self.countries.get(code, ())

    def close(self) -> None:
        """Give back what the lists take."""
        self.lists.close()


def write_artifact(  # noqa: PLR0913 - each is a part of what is written, and named
    folder: Path,
    *,
    items: Sequence[Item],
    lists: Iterable["Batch"],
    country_lists: Mapping[str, Sequence[int]],
    global_list: Sequence[int],
    card: Mapping[str, Any],
    trained_until: date,
) -> Manifest:
    """Write a new version into that folder, where it appears at once and whole; return its manifest.

    Item numbers are places in `items`; `lists` yields users and an array (users, 20) of their item numbers, the best
    first, filled up by NO_ITEM. Raises ArtifactError for what cannot be served.
    """
    from shared.recommender.list_writing import write_lists  # noqa: PLC0415 - needs NumPy, which what serves does not

    _check(items, country_lists, global_list)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as beside:
        made = Path(beside) / "artifact"
        made.mkdir()
        users = write_lists(made / LISTS, lists, len(items))
        catalogue = {"items": items, "countries": dict(country_lists), "global": list(global_list)}
        (made / CATALOGUE).write_text(json.dumps(catalogue, ensure_ascii=False), encoding="utf-8")
        manifest = Manifest(
            format=FORMAT,
            version="",
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            trained_until=trained_until.isoformat(),
            users=users,
            items=len(items),
            key_bytes=KEY_BYTES,
            number_bytes=number_bytes(len(items)),
            files={name: FileFacts.of(made / name) for name in (LISTS, CATALOGUE)},
            card=json.loads(json.dumps(card)),  # as it will be read: a tuple becomes a list
        ).named()
        (made / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        _put_in_place(made, folder / manifest.version)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest in the folder of a version, whose files may be anything. Raises ArtifactError."""
    try:
        return parse_manifest((folder / MANIFEST).read_bytes(), str(folder / MANIFEST))
    except OSError as error:
        raise _not_whole(folder, error) from error


def check_files(folder: Path, manifest: Manifest, pause_s: float = 0) -> None:
    """Raise ArtifactError unless each file is what the manifest says, to the last bit: some 0.7 s for a gigabyte."""
    try:
        for name, facts in manifest.files.items():
            if (size := (folder / name).stat().st_size) != facts.size:
                raise _altered(folder / name, f"has {size} bytes instead of {facts.size}")
            if FileFacts.of(folder / name, pause_s) != facts:
                raise _altered(folder / name, "is not the file that was written")
    except OSError as error:
        raise _not_whole(folder, error) from error


def open_artifact(folder: Path, *, pause_s: float = 0, readahead: bool = False) -> Artifact:
    """Open the folder of a version, after a check of its files; a process does so itself, after a fork.

    `pause_s` is how long the check pauses after each mebibyte, where others have requests to answer meanwhile.
    Raises ArtifactError for one that is missing, not whole, altered, of another format, or open in this process.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest, pause_s)
    try:
        catalogue = json.loads((folder / CATALOGUE).read_bytes())
        items = tuple(
            Item(item_id, title, intern(category), intern(icon))
            for item_id, title, category, icon in catalogue["items"]
        )
        countries = {code: tuple(numbers) for code, numbers in catalogue["countries"].items()}
        global_list = tuple(catalogue["global"])
        _check(items, countries, global_list)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _altered(folder / CATALOGUE, f"is damaged ({error})") from error
    lists = Lists(folder / LISTS, manifest.number_bytes, manifest.key_bytes, readahead=readahead)
    return Artifact(manifest, items, lists, countries, global_list)


def _check(items: Sequence[Item], country_lists: Mapping[str, Sequence[int]], global_list: Sequence[int]) -> None:
    if not global_list:
        raise ArtifactError("There is no list for strangers.", "Give the items that are liked most of all.")
    for code, numbers in {**country_lists, "all": global_list}.items():
        if not all(0 <= number < len(items) for number in numbers):
            detail = f"The list of {code} names an item outside the {len(items)} there are."
            raise ArtifactError(detail, "Give the items that were learned.")


def _put_in_place(made: Path, target: Path) -> None:
    """Give a folder its name once everything in it is on the disk, not only on its way there."""
    for path in (*made.iterdir(), made):
        _sync(path)
    if target.exists():  # the same contents, so far as it is whole
        shutil.rmtree(target)
    made.rename(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _altered(path: Path, what: str) -> ArtifactError:
    return ArtifactError(f"{path} {what}.", "Remove its folder, and fetch it again or train again.")


def _not_whole(folder: Path, error: OSError) -> ArtifactError:
    return ArtifactError(f"{folder} holds no whole artifact: {error}.", "Fetch it again, or train again.")
