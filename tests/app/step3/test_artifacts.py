"""Exported models in a folder and in a bucket: whole or not at all, and back by a pointer."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from shared.errors import ArtifactError
from step3_microservices.worker.artifacts import current, fetch, main, point, publish, read_artifact
from step3_microservices.worker.export import export
from step3_microservices.worker.manifest import Thresholds
from tests.app.step3.tiny_model import write_tiny_model

BUCKET = "s3://models/production"


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folders of two versions of one model, the second of which has no int8."""
    folder = tmp_path_factory.mktemp("two")
    model = write_tiny_model(folder)
    options = model.options | {"artifacts": folder}
    first = export(str(model.path), **options)
    return first, export(str(model.path), **options, thresholds=Thresholds(1, 1, 1e-5))


@pytest.fixture
def source(two_versions: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of both, to be harmed."""
    shutil.copytree(two_versions[0].parent, tmp_path / "source" / "colours")
    return tmp_path / "source"


@pytest.fixture
def s3() -> Iterator[Any]:
    """AWS's API in this process, with one empty bucket."""
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="models")
        yield client


def test_the_pointer_names_what_is_fetched_and_can_be_moved_back(source: Path, two_versions: tuple[Path, Path]):
    first, second = (folder.name for folder in two_versions)
    assert fetch(str(source), "colours", source).manifest.version == second

    point(str(source), "colours", first)

    assert current(str(source), "colours") == first
    assert fetch(str(source), "colours", source).folder == source / "colours" / first
    assert fetch(str(source), "colours", source, second).manifest.version == second


def test_a_model_of_ones_own_is_found_by_its_file_and_a_missing_one_says_what_to_do(source: Path):
    assert current(str(source), "elsewhere/colours.keras") == current(str(source), "colours")

    with pytest.raises(ArtifactError, match="holds no exported model inception_v3") as raised:
        fetch(str(source), "auto", source)
    assert "python -m step3_microservices.worker.export" in raised.value.remedy


def test_every_file_is_held_to_its_digest(source: Path):
    folder = fetch(str(source), "colours", source).folder
    for path in sorted(folder.iterdir()):
        contents = path.read_bytes()
        changed = bytearray(contents)
        changed[len(changed) // 2] ^= 1

        for harm in (lambda path=path, changed=changed: path.write_bytes(changed), path.unlink):
            harm()
            with pytest.raises(ArtifactError, match=path.name if path.suffix != ".json" else "damaged|not|no whole"):
                read_artifact(folder)
            path.write_bytes(contents)

    assert read_artifact(folder).folder == folder


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda manifest: manifest.update(format=2), "is of format 2, and this program reads format 1"),
        (lambda manifest: manifest.pop("files"), "is damaged"),
        (lambda manifest: manifest["files"].pop("labels.json"), "is damaged .its version is not that of its files"),
        (lambda manifest: manifest["files"].update({"../secret": "0"}), "is damaged .its version"),
        (lambda manifest: manifest.update(precisions=3), "is damaged"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(source: Path, change, told: str):
    folder = fetch(str(source), "colours", source).folder
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(ArtifactError, match=told):
        read_artifact(folder)


def test_only_a_version_that_is_there_can_be_pointed_to(source: Path):
    before = current(str(source), "colours")

    with pytest.raises(ArtifactError, match="holds no version 000000000000 of colours"):
        point(str(source), "colours", "000000000000")

    assert current(str(source), "colours") == before


def test_versions_are_listed_and_chosen_from_the_command_line(source: Path, two_versions: tuple[Path, Path], capsys):
    first, second = (folder.name for folder in two_versions)

    assert main(["list", str(source), "colours"]) == 0
    listed = capsys.readouterr().out
    assert main(["use", str(source), "colours", first]) == 0
    chosen = capsys.readouterr().out

    assert f"* {second}" in listed
    assert f"  {first}" in listed
    assert "float32, bfloat16, int8" in listed or "float32, int8" in listed
    assert f"* {first}" in chosen
    assert main(["use", str(source), "colours", "nonsense"]) == 2
    assert "holds no version nonsense" in capsys.readouterr().err


def test_a_bucket_serves_what_was_published_to_it(two_versions: tuple[Path, Path], s3, tmp_path: Path):
    first, second = two_versions
    publish(first, BUCKET, client=s3)
    publish(second, BUCKET, keep_pointer=True, client=s3)

    artifact = fetch(BUCKET, "colours", tmp_path, client=s3)

    assert current(BUCKET, "colours", client=s3) == artifact.manifest.version == first.name
    assert artifact.folder == tmp_path / "colours" / first.name
    assert artifact.manifest == read_artifact(first).manifest
    assert [path.name for path in (tmp_path / "colours").iterdir()] == [first.name], "only what was asked for"
    point(BUCKET, "colours", second.name, client=s3)
    assert fetch(BUCKET, "colours", tmp_path, client=s3).manifest.version == second.name


def test_a_version_is_fetched_once_and_checked_every_time(two_versions: tuple[Path, Path], s3, tmp_path: Path):
    first, _ = two_versions
    publish(first, BUCKET, client=s3)
    fetch(BUCKET, "colours", tmp_path, client=s3)
    s3.delete_object(Bucket="models", Key=f"production/colours/{first.name}/float32.bin")

    kept = fetch(BUCKET, "colours", tmp_path, client=s3)

    (kept.folder / "float32.bin").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"float32\.bin is not the file that was exported"):
        fetch(BUCKET, "colours", tmp_path, client=s3)


@pytest.mark.parametrize("harm", ["delete_object", "put_object"])
def test_a_download_that_goes_wrong_leaves_nothing_behind(two_versions: tuple[Path, Path], s3, tmp_path: Path, harm):
    first, _ = two_versions
    publish(first, BUCKET, client=s3)
    getattr(s3, harm)(Bucket="models", Key=f"production/colours/{first.name}/int8.bin")

    with pytest.raises(ArtifactError, match=r"int8\.bin"):
        fetch(BUCKET, "colours", tmp_path, client=s3)

    assert [*(tmp_path / "colours").iterdir()] == []


def test_a_publication_that_goes_wrong_leaves_the_pointer_where_it_was(
    two_versions: tuple[Path, Path], s3, tmp_path: Path
):
    first, second = two_versions
    publish(first, BUCKET, client=s3)
    harmed = tmp_path / second.name
    shutil.copytree(second, harmed)
    (harmed / "labels.json").write_text("[]")

    with pytest.raises(ArtifactError, match=r"labels\.json is not the file"):
        publish(harmed, BUCKET, client=s3)

    assert current(BUCKET, "colours", client=s3) == first.name


@pytest.mark.parametrize(
    ("address", "told"), [("s3://nowhere/models", "NoSuchBucket"), ("s3:///models", "names no bucket")]
)
def test_a_bucket_that_cannot_be_reached_is_an_error_that_says_so(s3, tmp_path: Path, address: str, told: str):
    with pytest.raises(ArtifactError, match=told):
        fetch(address, "colours", tmp_path, client=s3)


def test_a_source_that_is_no_folder_is_an_error_that_says_so(tmp_path: Path):
    (tmp_path / "file").write_text("")

    with pytest.raises(ArtifactError, match="holds no exported model"):
        fetch(str(tmp_path / "file"), "colours", tmp_path)
    with pytest.raises(ArtifactError, match="cannot be used"):
        publish_somewhere_impossible(tmp_path)


def publish_somewhere_impossible(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path)
    folder = export(str(model.path), **model.options, artifacts=tmp_path / "artifacts")
    publish(folder, str(tmp_path / "file"))
