"""What an exported model is made of, and what was measured before it was let out: the artifact's `manifest.json`."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shared.classifier.preprocess import Preprocessing
from shared.errors import ArtifactError

FORMAT = 1
MANIFEST = "manifest.json"
LABELS = "labels.json"
CLASS_WEIGHTS = "class_weights.npy"


@dataclass(frozen=True)
class Thresholds:
    """What a precision must reach, on pictures that it was not calibrated on, to be served."""

    min_top1: float
    min_top5: float
    max_difference: float


@dataclass(frozen=True)
class Parity:
    """How far a model's answers are those of its reference, each between 0 and 1.

    `top1_agreement` is the share of pictures whose likeliest class is the same, among those `decided` by the reference;
    `top5_overlap` how many of the five likeliest classes both name, on average; `largest_difference` that between two
    probabilities of one class for one picture.
    """

    pictures: int
    decided: int
    top1_agreement: float
    top5_overlap: float
    largest_difference: float


@dataclass(frozen=True)
class Precision:
    """One of the forms in which the model can be served, or why it cannot.

    `file` is the OpenVINO IR, `hint` the type that the rest of the arithmetic is done in; `images_per_s` was measured
    where it was exported, one picture at a time; 0 where it is not served.
    """

    file: str
    hint: str
    images_per_s: float
    parity: Parity
    accepted: bool
    reason: str


@dataclass(frozen=True)
class Calibration:
    """What int8's ranges were found on: how many inputs, whose, and the SHA-256 over them."""

    pictures: int
    source: str
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Everything about an artifact but its arrays; `files` holds the SHA-256 of each of its files by name."""

    format: int
    version: str
    model: str
    weights_sha256: str
    preprocessing: Preprocessing
    explainable: bool
    files: Mapping[str, str]
    precisions: Mapping[str, Precision]
    calibration: Calibration
    thresholds: Thresholds
    tools: Mapping[str, str]
    created: str

    def to_json(self) -> str:
        """Return it as the text of `manifest.json`."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def files_of(self, precision: str) -> tuple[str, ...]:
        """Return the names of the files that serving this precision needs, besides the manifest."""
        graph = self.precisions[precision].file
        every = (LABELS, graph, graph.removesuffix(".xml") + ".bin")
        return (*every, CLASS_WEIGHTS) if self.explainable else every


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's contents as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def version_of(files: Mapping[str, str]) -> str:
    """Return the version that files of these names and digests make up: 12 hexadecimal digits."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:12]


def parse_manifest(text: str | bytes, where: str) -> Manifest:
    """Read a manifest; `where` names it in errors. Raises ArtifactError for anything but one of this format."""
    try:
        fields: dict[str, Any] = json.loads(text)
        found = fields["format"]
        if found == FORMAT:
            return _manifest(fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{where} is damaged ({error}).", "Export the model again.") from error
    raise ArtifactError(
        f"{where} is of format {found}, and this program reads format {FORMAT}.",
        "Export the model again with this version of the program.",
    )


def _manifest(fields: dict[str, Any]) -> Manifest:
    nested = {
        "preprocessing": Preprocessing.from_json(fields["preprocessing"]),
        "precisions": {
            name: Precision(**precision | {"parity": Parity(**precision["parity"])})
            for name, precision in fields["precisions"].items()
        },
        "calibration": Calibration(**fields["calibration"]),
        "thresholds": Thresholds(**fields["thresholds"]),
    }
    manifest = Manifest(**fields | nested)
    if version_of(manifest.files) != manifest.version:
        raise ValueError("its version is not that of its files")
    return manifest
