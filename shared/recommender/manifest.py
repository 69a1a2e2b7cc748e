"""What recommendations consist of, and how they were made: the artifact's `manifest.json`."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from time import sleep
from typing import Any, Self

from shared.errors import ArtifactError

FORMAT = 1
MANIFEST = "manifest.json"
LISTS = "lists.mdb"
CATALOGUE = "catalogue.json"
_DIGEST_DIGITS = 8  # of the contents, in a version
_AT_ONCE = 1 << 20
_NOT_THE_CONTENTS = {"version", "created"}


@dataclass(frozen=True)
class FileFacts:
    """What a file must be like to be the one that was written: its size in bytes, and its SHA-256."""

    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path, pause_s: float = 0) -> Self:
        """Measure the file at that path, with a pause after each mebibyte for others to use the processor."""
        digest = hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            while part := file.read(_AT_ONCE):
                digest.update(part)
                if pause_s:
                    sleep(pause_s)
        return cls(path.stat().st_size, digest.hexdigest())


@dataclass(frozen=True)
class Manifest:
    """Everything about an artifact but its lists.

    `users` have lists of their own, kept under keys of `key_bytes` as item numbers of `number_bytes` each. `card` is
    what training tells of itself: its settings, and how well the model did.
    """

    format: int
    version: str
    created: str  # RFC 3339, UTC
    trained_until: str  # the last day that was learned from
    users: int
    items: int
    key_bytes: int
    number_bytes: int
    files: Mapping[str, FileFacts]
    card: Mapping[str, Any]

    @property
    def created_at(self) -> datetime:
        """When it was written."""
        return datetime.fromisoformat(self.created)

    def to_json(self) -> str:
        """Return it as the text of `manifest.json`."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def named(self) -> "Manifest":
        """Return it with the version that its contents make up: equal contents, whenever made, are one version."""
        fields = asdict(self)
        contents = {name: value for name, value in fields.items() if name not in _NOT_THE_CONTENTS}
        digest = hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:_DIGEST_DIGITS]
        fields |= {"files": self.files, "version": f"{self.trained_until}-{digest}"}
        return Manifest(**fields)


def parse_manifest(text: str | bytes, where: str) -> Manifest:
    """Read a manifest; `where` names it in errors. Raises ArtifactError for anything but one of this format."""
    try:
        fields: dict[str, Any] = json.loads(text)
        found = fields["format"]
        if found == FORMAT:
            return _manifest(fields)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{where} is damaged ({error}).", "Fetch it again, or train again.") from error
    raise ArtifactError(
        f"{where} is of format {found}, and this program reads format {FORMAT}.",
        "Train again with this version of the program, or serve with the one that wrote it.",
    )


def _manifest(fields: dict[str, Any]) -> Manifest:
    files = {name: FileFacts(**facts) for name, facts in fields["files"].items()}
    manifest = Manifest(**fields | {"files": files})
    date.fromisoformat(manifest.trained_until)
    if manifest.created_at.tzinfo is None:
        raise ValueError("it was made at no time of any time zone")
    if manifest.named().version != manifest.version:
        raise ValueError("its version is not that of its contents")
    if {*files} != {LISTS, CATALOGUE}:
        raise ValueError("it names other files than those it needs")
    return manifest
