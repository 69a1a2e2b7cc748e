"""Versions of recommendations in a folder or under `s3://`, and the pointer to the one that is served.

<source>/CURRENT                   the version that is served
<source>/<version>/manifest.json   what it consists of, written last; beside it the files
"""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from shared.errors import ArtifactError
from shared.recommender.artifact import check_files, read_manifest
from shared.recommender.manifest import MANIFEST, Manifest, parse_manifest
from step3_microservices.file_stores import FolderStore, alone_in, open_store

CURRENT = "CURRENT"
KEPT = 5  # versions, unless somebody asks for more or fewer
_VERSION = re.compile(r"\d{4}-\d\d-\d\d-[0-9a-f]{8}")
_FETCHED_KEPT = 2  # versions that were copied to this machine: the one that is served, and the one before


class ArtifactStore:
    """Where versions are kept. Every method raises ArtifactError where the place cannot be reached or read."""

    def __init__(self, source: str, client: Any = None) -> None:  # noqa: ANN401 - boto3 has no types
        """Look into a folder, which need not be there yet, or `s3://bucket/prefix`; `client` is one of boto3's."""
        self.source = source
        self._files = open_store(source, client)

    def publish(self, folder: Path) -> Manifest:
        """Copy a version here from its folder, the manifest after its files; the pointer stays where it is."""
        manifest = read_manifest(folder)
        check_files(folder, manifest)
        if not self._holds(folder):
            for name in (*manifest.files, MANIFEST):
                self._files.upload(folder / name, f"{manifest.version}/{name}")
        return manifest

    def versions(self) -> list[Manifest]:
        """Return the manifests of all versions whose manifest can be read, the oldest first."""
        found = []
        for name in filter(_VERSION.fullmatch, self._files.folders("")):
            try:
                found.append(self._manifest(name))
            except ArtifactError:  # half copied, or of another program's format: it is none to go back to
                continue
        return sorted(found, key=lambda manifest: (manifest.created_at, manifest.version))

    def current(self) -> str | None:
        """Return the version that the pointer names, or None where there is no pointer yet."""
        pointer = self._files.read(CURRENT)
        if pointer is None:
            return None
        version = pointer.decode(errors="replace").strip()
        if not _VERSION.fullmatch(version):
            raise ArtifactError(f"{self.source}/{CURRENT} names no version.", "Point to one of those that are listed.")
        return version

    def set_current(self, version: str) -> None:
        """Let a version be the one that is served from now on, whether newer or older."""
        if not _VERSION.fullmatch(version):
            raise ArtifactError(f"{version} is no version.", "Name one of those that are listed.")
        self._manifest(version)
        self._files.write(CURRENT, f"{version}\n".encode())

    def before(self, version: str | None) -> str | None:
        """Return the version that was made before that one, or None; of one that is not there, the newest."""
        names = [manifest.version for manifest in self.versions()]
        place = names.index(version) if version in names else len(names)
        return names[place - 1] if place else None

    def prune(self, keep: int = KEPT) -> list[str]:
        """Remove all but the newest `keep` versions, one or more, and return their names, the oldest first.

        The one that is served stays in any case, and so does the one before it, which whoever looked a moment ago is
        about to open. What has no manifest is left alone: somebody may be in the middle of publishing it.
        """
        current = self.current()
        kept = {current, self.before(current)}
        old = [one.version for one in self.versions()[:-keep] if one.version not in kept]
        for version in old:
            self._files.remove(version, first=MANIFEST)
        return old

    def fetch(self, version: str, to: Path) -> Path:
        """Return the folder of a version: in place, or, where it is not on this machine, copied into `to` once."""
        if isinstance(self._files, FolderStore):
            return self._files.folder / version
        kept = to / version
        with alone_in(to):
            if not kept.is_dir():
                self._download(version, kept)
                _forget_old(to)
        return kept

    def _download(self, version: str, target: Path) -> None:
        """Copy into a folder that gets its name once everything is there and right."""
        manifest = self._manifest(version)
        with tempfile.TemporaryDirectory(prefix=".", dir=target.parent) as beside:
            folder = Path(beside) / "artifact"
            folder.mkdir()
            for name in (*manifest.files, MANIFEST):
                self._files.download(f"{version}/{name}", folder / name)
            check_files(folder, read_manifest(folder))
            folder.rename(target)

    def _manifest(self, version: str) -> Manifest:
        name = f"{version}/{MANIFEST}"
        contents = self._files.read(name)
        if contents is None:
            raise ArtifactError(f"{self.source} holds no version {version}.", "List the versions that there are.")
        return parse_manifest(contents, f"{self.source}/{name}")

    def _holds(self, folder: Path) -> bool:
        return isinstance(self._files, FolderStore) and folder.resolve().parent == self._files.folder.resolve()


def _forget_old(folder: Path) -> None:
    """Remove what was fetched long ago; whoever still has it open keeps it until it is closed."""
    versions = [path for path in folder.iterdir() if _VERSION.fullmatch(path.name)]
    for path in sorted(versions, key=lambda path: path.stat().st_mtime)[:-_FETCHED_KEPT]:
        shutil.rmtree(path)
