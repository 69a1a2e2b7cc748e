"""Versions of recommendations in a folder and in a bucket: whole or not at all, and back by a pointer."""

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


@pytest.mark.parametrize("arguments", [["use"], ["list", "2026-11-20-00000000"], ["remove"], []])
def test_the_command_explains_how_it_is_used(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)

    assert "usage:" in capsys.readouterr().err
