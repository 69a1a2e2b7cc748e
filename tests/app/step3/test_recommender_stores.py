"""Versions of recommendations in a folder and in a bucket: whole or not at all, and back by a pointer."""

import json
import shutil
import time
from datetime import date

import boto3
import pytest
from moto import mock_aws

from shared.errors import ArtifactError
from shared.recommender.artifact import open_artifact
from shared.recommender.manifest import LISTS, MANIFEST
from step3_microservices.recommender.artifact_stores import CURRENT, ArtifactStore
from step3_microservices.recommender.versions import main
from tests.model.recommended import written

BUCKET = "s3://recommendations/production"


@pytest.fixture
def made(tmp_path):
    """The folders of two versions, as training leaves them, the older one first."""
    folder = tmp_path / "made"
    return [folder / written(folder, trained_until=date(2026, 11, day)).version for day in (20, 21)]


@pytest.fixture
def s3():
    """AWS's API in this process, with one empty bucket."""
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="recommendations")
        yield client


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path):
    """An empty store of each kind."""
    if request.param == "folder":
        return ArtifactStore(str(tmp_path / "store"))
    return ArtifactStore(BUCKET, request.getfixturevalue("s3"))


def names(manifests):
    return [manifest.version for manifest in manifests]


def test_an_empty_store_holds_nothing_and_points_nowhere(store):
    assert (store.versions(), store.current()) == ([], None)


def test_what_is_published_is_listed_fetched_and_served_once_the_pointer_says_so(store, made, tmp_path):
    for folder in made:
        store.publish(folder)
        time.sleep(0.01)
    assert names(store.versions()) == [folder.name for folder in made]
    assert store.current() is None

    store.set_current(made[1].name)

    assert store.current() == made[1].name
    artifact = open_artifact(store.fetch(made[1].name, tmp_path / "cache"))
    assert (artifact.manifest.version, artifact.lists.get("ann")) == (made[1].name, (3, 1, 4))
    artifact.close()


def test_the_pointer_goes_back(store, made):
    for folder in made:
        store.set_current(store.publish(folder).version)

    store.set_current(made[0].name)

    assert store.current() == made[0].name


def test_a_version_that_is_not_there_is_never_pointed_to(store, made):
    store.set_current(store.publish(made[0]).version)

    with pytest.raises(ArtifactError, match=f"holds no version {made[1].name}"):
        store.set_current(made[1].name)
    with pytest.raises(ArtifactError, match=r"\.\./elsewhere is no version"):
        store.set_current("../elsewhere")

    assert store.current() == made[0].name


def test_a_damaged_version_is_not_published(store, made):
    (made[0] / LISTS).write_bytes(b"")

    with pytest.raises(ArtifactError, match="has 0 bytes instead of"):
        store.publish(made[0])

    assert store.versions() == []


def test_a_version_without_a_manifest_is_none(store, made):
    """Its files are copied first: somebody is in the middle of it, or never came to its end."""
    store.publish(made[0])
    store._files.upload(made[1] / LISTS, f"{made[1].name}/{LISTS}")
    store._files.write(f"2026-11-22-00000000/{MANIFEST}", b"{}")

    assert names(store.versions()) == [made[0].name]


def test_a_pointer_to_nonsense_is_told(store):
    store._files.write(CURRENT, b"\xff../..\n")

    with pytest.raises(ArtifactError, match="CURRENT names no version"):
        store.current()


def test_training_may_write_into_the_store_itself(tmp_path):
    store = ArtifactStore(str(tmp_path))
    version = written(tmp_path).version

    store.publish(tmp_path / version)

    assert names(store.versions()) == [version]


def test_a_bucket_is_read_once_for_each_version(made, s3, tmp_path):
    store = ArtifactStore(BUCKET, s3)
    store.publish(made[0])
    first = store.fetch(made[0].name, tmp_path / "cache")
    s3.delete_object(Bucket="recommendations", Key=f"production/{made[0].name}/{LISTS}")

    assert store.fetch(made[0].name, tmp_path / "cache") == first == tmp_path / "cache" / made[0].name


def test_what_arrives_damaged_from_a_bucket_is_not_kept(made, s3, tmp_path):
    store = ArtifactStore(BUCKET, s3)
    store.publish(made[0])
    s3.put_object(Bucket="recommendations", Key=f"production/{made[0].name}/{LISTS}", Body=b"cut off")

    with pytest.raises(ArtifactError, match=f"{LISTS} has 7 bytes"):
        store.fetch(made[0].name, tmp_path / "cache")

    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_the_cache_keeps_two_versions(made, s3, tmp_path):
    store = ArtifactStore(BUCKET, s3)
    third = tmp_path / "made" / written(tmp_path / "made", trained_until=date(2026, 11, 22)).version
    for folder in (*made, third):
        store.publish(folder)
        store.fetch(folder.name, tmp_path / "cache")

    kept = {path.name for path in (tmp_path / "cache").iterdir()} - {".lock"}

    assert kept == {made[1].name, third.name}


@pytest.mark.parametrize("source", ["s3://", "s3://no-such-bucket/prefix"])
def test_a_bucket_that_cannot_be_used_is_told(s3, source):
    with pytest.raises(ArtifactError, match="bucket"):
        ArtifactStore(source, s3).current()


def test_the_command_lists_versions_and_goes_back_to_one(made, tmp_path, capsys):
    source = ["--artifacts", str(tmp_path / "store")]
    store = ArtifactStore(source[1])
    for folder in made:
        store.set_current(store.publish(folder).version)

    assert main(["list", *source]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()][-1] == ["*", made[1].name]
    assert main(["rollback", *source]) == 0
    assert store.current() == made[0].name
    assert main(["use", made[1].name, *source]) == 0
    assert store.current() == made[1].name


def test_going_back_beyond_the_first_version_is_told(made, tmp_path, capsys):
    source = ["--artifacts", str(tmp_path / "store")]
    store = ArtifactStore(source[1])
    store.set_current(store.publish(made[0]).version)

    assert main(["rollback", *source]) == 2
    assert "no version before" in capsys.readouterr().err
    assert store.current() == made[0].name


def test_going_back_passes_over_what_was_removed(made, tmp_path):
    source = ["--artifacts", str(tmp_path / "store")]
    store = ArtifactStore(source[1])
    for folder in made:
        store.set_current(store.publish(folder).version)
    shutil.rmtree(tmp_path / "store" / made[1].name)

    assert main(["rollback", *source]) == 0
    assert store.current() == made[0].name


def test_an_empty_store_is_told(tmp_path, capsys):
    assert main(["list", "--artifacts", str(tmp_path)]) == 0
    assert "holds no version" in capsys.readouterr().out
    assert main(["rollback", "--artifacts", str(tmp_path)]) == 2
    assert main(["use", "2026-11-20-00000000", "--artifacts", str(tmp_path)]) == 2


@pytest.mark.parametrize(
    "arguments", [["use"], ["list", "2026-11-20-00000000"], ["remove"], [], ["prune", "--keep", "0"]], ids=str
)
def test_the_command_explains_how_it_is_used(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)

    assert "usage:" in capsys.readouterr().err


# --- old versions ----------------------------------------------------------------------------------------------------


def several(folder, count):
    """The folders of that many versions, the oldest first."""
    return [folder / written(folder, trained_until=date(2026, 10, day)).version for day in range(1, count + 1)]


def published_in_order(store, folders):
    """Publish each as if it had been made a day after the one before."""
    for day, folder in enumerate(folders, 1):
        manifest = json.loads((folder / MANIFEST).read_text())
        (folder / MANIFEST).write_text(json.dumps(manifest | {"created": f"2026-10-{day:02}T00:00:00+00:00"}))
        store.publish(folder)
    return [folder.name for folder in folders]


def test_the_newest_versions_stay_and_with_them_the_one_that_is_served_and_the_one_before(store, tmp_path):
    versions = published_in_order(store, several(tmp_path / "made", 8))
    store.set_current(versions[2])

    removed = store.prune(keep=3)

    assert removed == [versions[0], versions[3], versions[4]]
    assert names(store.versions()) == [versions[number] for number in (1, 2, 5, 6, 7)]
    assert store.current() == versions[2]
    assert store.prune(keep=3) == []
    for version in names(store.versions()):
        open_artifact(store.fetch(version, tmp_path / "cache")).close()


def test_of_few_versions_none_is_old(store, tmp_path):
    versions = published_in_order(store, several(tmp_path / "made", 2))

    assert store.prune(keep=5) == []
    assert store.prune(keep=1) == versions[:1], (
        "nothing is served yet, so there is nothing to go back to but the newest"
    )


def test_nothing_is_left_of_an_old_version_and_what_is_only_half_published_is_not_touched(store, tmp_path):
    *folders, half = several(tmp_path / "made", 4)
    versions = published_in_order(store, folders)
    store._files.upload(half / LISTS, f"{half.name}/{LISTS}")
    store.set_current(versions[2])

    assert store.prune(keep=1) == versions[:1]

    assert store._files.folders("") == sorted([*versions[1:], half.name])


def test_lists_that_are_open_answer_after_their_version_was_removed(tmp_path):
    store = ArtifactStore(str(tmp_path / "store"))
    versions = published_in_order(store, several(tmp_path / "made", 3))
    artifact = open_artifact(store.fetch(versions[0], tmp_path))
    store.set_current(versions[2])

    assert store.prune(keep=1) == versions[:1]

    assert not (tmp_path / "store" / versions[0]).exists()
    assert [artifact.lists.get(user) for user in ("ann", "ben", "nobody")] == [(3, 1, 4), (1, 5, 9, 2), None]
    artifact.close()


def test_the_command_removes_old_versions(tmp_path, capsys):
    source = ["--artifacts", str(tmp_path / "store")]
    store = ArtifactStore(source[1])
    versions = published_in_order(store, several(tmp_path / "made", 7))
    store.set_current(versions[6])

    assert main(["prune", *source]) == 0

    told = capsys.readouterr().out.splitlines()
    assert told[:2] == [f"removed {version}" for version in versions[:2]]
    assert versions[2] in told[2]
    assert main(["prune", "--keep", "2", *source]) == 0
    assert names(store.versions()) == versions[5:]
    capsys.readouterr()
    assert main(["prune", *source]) == 0
    assert "removed" not in capsys.readouterr().out
