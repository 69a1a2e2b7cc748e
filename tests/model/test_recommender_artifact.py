import json
import re
import shutil
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from shared.errors import ArtifactError
from shared.recommender.artifact import Item, open_artifact, read_manifest, write_artifact
from shared.recommender.manifest import CATALOGUE, LISTS, MANIFEST
from tests.model import recommended
from tests.model.recommended import COUNTRIES, EVERYWHERE, ITEMS, rows, written


@pytest.fixture
def version(tmp_path):
    """The folder of an artifact that is whole."""
    return tmp_path / written(tmp_path).version


def test_what_was_written_is_read(version):
    artifact = open_artifact(version)

    assert artifact.items == ITEMS
    assert {user: artifact.lists.get(user) for user in recommended.LISTS} == recommended.LISTS
    assert artifact.lists.get("stranger") is None
    assert {code: artifact.country(code) for code in COUNTRIES} == COUNTRIES
    assert artifact.country("XX") == ()
    assert artifact.global_list == EVERYWHERE
    artifact.close()


def test_the_manifest_tells_what_there_is(version):
    manifest = read_manifest(version)

    assert re.fullmatch(r"2026-11-20-[0-9a-f]{8}", manifest.version)
    assert (manifest.users, manifest.items, manifest.number_bytes) == (3, 40, 2)
    assert manifest.card == {"ndcg@10": 0.14}
    assert timedelta(0) <= datetime.now(UTC) - manifest.created_at < timedelta(minutes=5)


def test_equal_contents_are_one_version_and_others_another(tmp_path):
    first = written(tmp_path)
    again = written(tmp_path)
    other_day = written(tmp_path, trained_until=date(2026, 11, 21))
    other_lists = written(tmp_path, recommended.LISTS | {"ann": (5,)})

    assert again.version == first.version
    assert len({first.version, other_day.version, other_lists.version}) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        {first.version, other_day.version, other_lists.version}
    )


def test_writing_again_mends_a_damaged_version(version):
    (version / LISTS).write_bytes(b"")

    written(version.parent)

    open_artifact(version).close()


def test_nothing_is_left_of_what_could_not_be_written(tmp_path):
    with pytest.raises(ArtifactError, match="above the 40"):
        written(tmp_path, {"ann": (40,)})

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"country_lists": {"DE": [2]}}, "list of DE names an item outside the 2"),
        ({"global_list": [-1]}, "list of all names an item outside the 2"),
        ({"global_list": []}, "no list for strangers"),
    ],
)
def test_lists_for_strangers_are_checked(tmp_path, lists, message):
    given = {"country_lists": {}, "global_list": [0], "card": {}, "trained_until": date(2026, 11, 20)} | lists

    with pytest.raises(ArtifactError, match=message):
        write_artifact(tmp_path, items=ITEMS[:2], lists=[], **given)


def test_titles_keep_every_character(tmp_path):
    item = Item("a", '<b>"Übung" & 数独</b>\u2028', "spiele", "🧩")

    artifact = open_artifact(tmp_path / written(tmp_path, {}, items=(item, *ITEMS[1:])).version)

    assert artifact.items[0] == item
    artifact.close()


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-9])


def alter(path):
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 1
    path.write_bytes(contents)


@pytest.mark.parametrize("damage", [cut_off, alter, lambda path: path.unlink()], ids=["cut off", "altered", "missing"])
@pytest.mark.parametrize("name", [MANIFEST, LISTS, CATALOGUE])
def test_a_damaged_file_is_named(version, name, damage):
    damage(version / name)

    with pytest.raises(ArtifactError) as refused:
        open_artifact(version)

    assert name in refused.value.detail
    assert "again" in refused.value.remedy


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ArtifactError, match="no whole artifact"):
        open_artifact(tmp_path / "2026-11-20-00000000")


def test_another_format_is_told(version):
    fields = asdict(read_manifest(version)) | {"format": 2}
    (version / MANIFEST).write_text(json.dumps(fields))

    with pytest.raises(ArtifactError, match="is of format 2, and this program reads format 1"):
        open_artifact(version)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"format": 1}', "[" * 100_000, b"\xff\xfe", "7"])
def test_a_manifest_of_anything_else_is_told(version, text):
    (version / MANIFEST).write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(ArtifactError, match="is damaged"):
        open_artifact(version)


@pytest.mark.parametrize("changes", [{"users": 4}, {"card": {}}, {"created": "2026-11-20"}, {"created": "yesterday"}])
def test_a_manifest_that_was_edited_is_told(version, changes):
    fields = asdict(read_manifest(version)) | changes
    (version / MANIFEST).write_text(json.dumps(fields))

    with pytest.raises(ArtifactError, match="is damaged"):
        open_artifact(version)


def test_an_open_version_may_be_removed(version):
    artifact = open_artifact(version)

    shutil.rmtree(version)

    assert artifact.lists.get("ann") == (3, 1, 4)
    artifact.close()


def test_lists_arrive_in_batches_of_any_size(tmp_path):
    batches = (([f"user-{number}"], rows([[number]])) for number in np.arange(40))

    manifest = write_artifact(
        tmp_path,
        items=ITEMS,
        lists=batches,
        country_lists={},
        global_list=[0],
        card={},
        trained_until=date(2026, 11, 20),
    )

    assert manifest.users == 40
