"""Exported models: found in a folder or under `s3://`, checked by digest, kept by version, switched by a pointer.

<source>/<model>/current                   the version that is served
<source>/<model>/<version>/manifest.json   what it consists of, and what was measured; beside it the files
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.classifier.labels import Label
from shared.classifier.predictions import ModelVersion
from shared.classifier.preprocess import Preprocessing
from shared.errors import ArtifactError, ExpectedError
from step3_microservices.file_stores import FileStore, FolderStore, open_store
from step3_microservices.worker.manifest import (
    CLASS_WEIGHTS,
    LABELS,
    MANIFEST,
    Manifest,
    parse_manifest,
    sha256_of,
)

Floats = npt.NDArray[np.float32]

POINTER = "current"
_AUTO = ("inception_v3", "efficientnet_lite0")  # which is preferred, as in `shared.classifier.models.load`
_DIGEST_DIGITS = 8  # of the quantised weights, in a model's version


@dataclass(frozen=True)
class Artifact:
    """An exported model on this machine, every file of which is what its manifest says."""

    folder: Path
    manifest: Manifest

    @property
    def preprocessing(self) -> Preprocessing:
        """What must happen to a picture before."""
        return self.manifest.preprocessing

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """One label for each class, in the order of the model's output."""
        rows = json.loads((self.folder / LABELS).read_text(encoding="utf-8"))
        return tuple(Label(text, wnid) for text, wnid in rows)

    @property
    def class_weights(self) -> Floats:
        """The dense layer's weights, shape (channels, classes), read from disk as they are used."""
        return np.load(self.folder / CLASS_WEIGHTS, mmap_mode="r")  # type: ignore[no-any-return]

    def version(self, precision: str) -> ModelVersion:
        """Name the model in that precision. What int8 answers depends on its calibration, so its digest is in it."""
        name = f"openvino-{precision}"
        if precision == "int8":
            name += f"-{self.manifest.files['int8.bin'][:_DIGEST_DIGITS]}"
        return ModelVersion(self.manifest.model, self.manifest.weights_sha256, name, str(self.preprocessing))


def read_artifact(folder: Path) -> Artifact:
    """Return the artifact in that folder, after comparing each file with the digest that the manifest has of it.

    Raises ArtifactError for one that is missing, incomplete, altered or of an unknown format.
    """
    try:
        manifest = parse_manifest((folder / MANIFEST).read_bytes(), str(folder / MANIFEST))
        for name, digest in manifest.files.items():
            if sha256_of(folder / name) != digest:
                raise ArtifactError(
                    f"{folder / name} is not the file that was exported.",
                    "Remove its folder, and fetch or export the model again.",
                )
    except OSError as error:
        raise ArtifactError(f"{folder} holds no whole model: {error}.", "Fetch or export it again.") from error
    return Artifact(folder, manifest)


def current(source: str, model: str, *, client: Any = None) -> str:  # noqa: ANN401 - boto3 has no types
    """Return the version that the pointer names. Raises ArtifactError where there is none."""
    store = open_store(source, client)
    return _current(store, source, folder_of(model, store))


def fetch(
    source: str,
    model: str,
    cache: Path,
    version: str | None = None,
    *,
    client: Any = None,  # noqa: ANN401 - boto3 has no types
) -> Artifact:
    """Return a version of a model, by default the one that the pointer names.

    `source` is a folder, which is used in place, or `s3://bucket/prefix`; from there each version is fetched once into
    `cache`. Raises ArtifactError.
    """
    store = open_store(source, client)
    name = folder_of(model, store)
    version = version or _current(store, source, name)
    if isinstance(store, FolderStore):
        return read_artifact(store.folder / name / version)
    kept = cache / name / version
    if not kept.is_dir():
        _download(store, f"{name}/{version}", kept)
    return read_artifact(kept)


def point(source: str, model: str, version: str, *, client: Any = None) -> None:  # noqa: ANN401 - boto3 has no types
    """Let a version be the one that is served from now on. Raises ArtifactError where there is no such version."""
    store = open_store(source, client)
    name = folder_of(model, store)
    if store.read(f"{name}/{version}/{MANIFEST}") is None:
        raise ArtifactError(f"{source} holds no version {version} of {name}.", "List the versions that there are.")
    store.write(f"{name}/{POINTER}", f"{version}\n".encode())


def publish(
    folder: Path,
    source: str,
    *,
    keep_pointer: bool = False,
    client: Any = None,  # noqa: ANN401 - boto3 has no types
) -> None:
    """Copy an artifact to a folder or bucket, its manifest after its files; then point to it, unless told not to."""
    artifact = read_artifact(folder)
    store, manifest = open_store(source, client), artifact.manifest
    for name in (*manifest.files, MANIFEST):
        store.upload(folder / name, f"{manifest.model}/{manifest.version}/{name}")
    if not keep_pointer:
        point(source, manifest.model, manifest.version, client=client)


def folder_of(model: str, store: FileStore) -> str:
    """Return under which name a model is exported: "auto" is the first that is there, a file goes by its stem."""
    if model != "auto":
        return Path(model).stem if model.endswith(".keras") else model
    there = (name for name in _AUTO if store.read(f"{name}/{POINTER}") is not None)
    return next(there, _AUTO[0])


def _current(store: FileStore, source: str, name: str) -> str:
    pointer = store.read(f"{name}/{POINTER}")
    version = (pointer or b"").decode(errors="replace").strip()
    if not version.isalnum():
        raise ArtifactError(
            f"{source} holds no exported model {name}.",
            f"Export it: python -m step3_microservices.worker.export --model {name} --artifacts {source}",
        )
    return version


def _download(store: FileStore, name: str, target: Path) -> None:
    """Fetch one version into a folder that gets its name once everything is there and right."""
    contents = store.read(f"{name}/{MANIFEST}")
    if contents is None:
        raise ArtifactError(f"There is no version {name}.", "List the versions that there are.")
    manifest = parse_manifest(contents, f"{name}/{MANIFEST}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=target.parent) as beside:
        folder = Path(beside) / "artifact"
        folder.mkdir()
        (folder / MANIFEST).write_bytes(contents)
        for file in manifest.files:
            store.download(f"{name}/{file}", folder / file)
        read_artifact(folder)
        try:
            folder.rename(target)
        except OSError:
            if not target.is_dir():  # else another worker was faster
                raise


def main(arguments: list[str] | None = None) -> int:
    """List versions, or point to one; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("verb", choices=("list", "use"), help="show the versions, or serve one from now on")
    parser.add_argument("source", help="a folder, or s3://bucket/prefix")
    parser.add_argument("model", help="the model's name")
    parser.add_argument("version", nargs="?", help="which to serve")
    options = parser.parse_args(arguments)
    try:
        if options.verb == "use":
            if not options.version:
                parser.error("use needs a version")
            point(options.source, options.model, options.version)
        print(*_listing(options.source, options.model), sep="\n")  # noqa: T201
    except ExpectedError as error:
        print(f"{error.detail}\n{error.remedy}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _listing(source: str, model: str) -> list[str]:
    """Return a line for each version, the oldest first: its name, when it was made, what of it may be served."""
    store = open_store(source)
    name = folder_of(model, store)
    served = _current(store, source, name)
    manifests = [
        parse_manifest(store.read(f"{name}/{version}/{MANIFEST}") or b"", f"{name}/{version}/{MANIFEST}")
        for version in store.folders(name)
    ]
    return [
        f"{'*' if manifest.version == served else ' '} {manifest.version}  {manifest.created}  "
        + ", ".join(name for name, precision in manifest.precisions.items() if precision.accepted)
        for manifest in sorted(manifests, key=lambda manifest: manifest.created)
    ]


if __name__ == "__main__":
    sys.exit(main())
