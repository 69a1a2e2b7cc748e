"""Files in a folder or in an S3 bucket, behind the few things that are done with either.

Names are relative and have slashes: `inception_v3/current`, `inception_v3/0123456789ab/manifest.json`.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from shared.errors import ArtifactError


class FileStore(Protocol):
    """What both kinds can do. Every method raises ArtifactError where the place cannot be reached or read."""

    def read(self, name: str) -> bytes | None:
        """Return the contents of a small file, or None where there is no such file."""

    def write(self, name: str, contents: bytes) -> None:
        """Make or replace a small file, so that nobody ever sees a half of it."""

    def download(self, name: str, path: Path) -> None:
        """Copy a file to that path."""

    def upload(self, path: Path, name: str) -> None:
        """Copy the file at that path to here, so that nobody ever sees a half of it."""

    def folders(self, name: str) -> list[str]:
        """Return the names of the folders in that folder, in order; none where there is no such folder."""

    def remove(self, name: str, first: str) -> None:
        """Remove a folder; its file `first` goes before the others, so that nobody takes what is left for whole."""


def open_store(source: str, client: Any = None) -> FileStore:  # noqa: ANN401 - boto3 has no types
    """Return the store at a folder or at `s3://bucket/prefix`; `client` is boto3's, by default a new one."""
    if not source.startswith("s3://"):
        return FolderStore(Path(source).expanduser())
    address = urlsplit(source)
    if not address.netloc:
        raise ArtifactError(f"{source} names no bucket.", "Write it like s3://bucket/prefix.")
    with _told(source):
        return S3Store(client or _s3_client(), address.netloc, address.path.strip("/"))


class FolderStore:
    """Files in a folder."""

    def __init__(self, folder: Path) -> None:
        """Look into that folder, which need not be there yet."""
        self.folder = folder

    def read(self, name: str) -> bytes | None:
        """Return the contents, or None where there is no such file."""
        with _told(str(self.folder)):
            try:
                return (self.folder / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def write(self, name: str, contents: bytes) -> None:
        """Write beside the file first, then take its place."""
        with _told(str(self.folder)), _taking_the_place_of(self.folder / name) as path:
            path.write_bytes(contents)

    def download(self, name: str, path: Path) -> None:
        """Copy the file."""
        with _told(str(self.folder)):
            shutil.copyfile(self.folder / name, path)

    def upload(self, path: Path, name: str) -> None:
        """Copy beside the file first, then take its place."""
        with _told(str(self.folder)), _taking_the_place_of(self.folder / name) as copy:
            shutil.copyfile(path, copy)

    def folders(self, name: str) -> list[str]:
        """Return what folders there are but for hidden ones, which are not finished."""
        with _told(str(self.folder)):
            if not (self.folder / name).is_dir():
                return []
            return sorted(path.name for path in (self.folder / name).iterdir() if path.is_dir() and path.name[0] != ".")

    def remove(self, name: str, first: str) -> None:
        """Remove the folder; whoever has a file of it open keeps that until it is closed."""
        with _told(str(self.folder)):
            (self.folder / name / first).unlink(missing_ok=True)
            shutil.rmtree(self.folder / name)


class S3Store:
    """Files under a prefix of an S3 bucket, where one is replaced in one go by itself."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:  # noqa: ANN401 - boto3 has no types
        """Use that client of boto3."""
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    def read(self, name: str) -> bytes | None:
        """Return the contents, or None where there is no such object."""
        with _told(self._address(name)):
            try:
                reply = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
            except self._client.exceptions.NoSuchKey:
                return None
            contents: bytes = reply["Body"].read()
            return contents

    def write(self, name: str, contents: bytes) -> None:
        """Put the object."""
        with _told(self._address(name)):
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=contents)

    def download(self, name: str, path: Path) -> None:
        """Fetch the object, in several parts at once where it is large."""
        with _told(self._address(name)):
            self._client.download_file(self._bucket, self._prefix + name, str(path))

    def upload(self, path: Path, name: str) -> None:
        """Send the file, in several parts at once where it is large."""
        with _told(self._address(name)):
            self._client.upload_file(str(path), self._bucket, self._prefix + name)

    def folders(self, name: str) -> list[str]:
        """Return the distinct parts of object names that follow this one."""
        prefix = f"{self._prefix}{name}/" if name else self._prefix
        with _told(self._address(name)):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix, Delimiter="/"
            )
            found = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", ())]
        return sorted(one.removeprefix(prefix).rstrip("/") for one in found)

    def remove(self, name: str, first: str) -> None:
        """Delete the objects whose names begin with the folder's, one by one: a folder has few."""
        prefix = f"{self._prefix}{name}/"
        with _told(self._address(name)):
            self._client.delete_object(Bucket=self._bucket, Key=prefix + first)
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            for key in [entry["Key"] for page in pages for entry in page.get("Contents", ())]:
                self._client.delete_object(Bucket=self._bucket, Key=key)

    def _address(self, name: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{name}"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep the other processes of this machine from working in a folder at the same time. Raises ArtifactError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise ArtifactError(f"{folder} cannot be used: {error}.", "Check the disk and its permissions.") from error


def _s3_client() -> Any:  # noqa: ANN401 - boto3 has no types
    import boto3  # noqa: PLC0415 - whoever reads a folder need not have it

    return boto3.client("s3")


@contextmanager
def _taking_the_place_of(path: Path) -> Iterator[Path]:
    """Yield a path beside, whose file then becomes this one at once, or is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    os.close(descriptor)
    beside = Path(name)
    try:
        yield beside
        beside.chmod(0o644)  # mkstemp's files are for their owner alone
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Turn whatever the disk, the network or AWS complains about into an ArtifactError."""
    try:
        yield
    except ArtifactError:
        raise
    except (OSError, ImportError) as error:
        raise ArtifactError(f"{where} cannot be used: {error}.", "Check the place and its permissions.") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in {"boto3", "botocore", "s3transfer"}:
            raise
        raise ArtifactError(
            f"{where} cannot be used: {error}", "Check the bucket, its region, and the credentials of this process."
        ) from error
