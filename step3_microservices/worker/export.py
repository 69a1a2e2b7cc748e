"""Turn a Keras classifier into what workers serve: `python -m step3_microservices.worker.export`.

load the reference -> convert to float32 -> quantise to int8 -> compare with the reference -> measure -> publish
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from shared.classifier.labels import read_labels
from shared.classifier.models import load
from shared.classifier.native_logs import native_logs_held_back
from shared.errors import ArtifactError, ExpectedError, ExplanationUnsupportedError
from step3_microservices.file_stores import FolderStore
from step3_microservices.golden_picture import SAMPLES
from step3_microservices.worker.artifacts import fetch, point, publish, read_artifact
from step3_microservices.worker.calibration import Pictures, folder_pictures, sample_pictures
from step3_microservices.worker.manifest import (
    CLASS_WEIGHTS,
    FORMAT,
    LABELS,
    MANIFEST,
    Calibration,
    Manifest,
    Precision,
    Thresholds,
    sha256_of,
    version_of,
)
from step3_microservices.worker.parity import THRESHOLDS

if TYPE_CHECKING:
    from shared.classifier.keras_classifier import KerasClassifier

ARTIFACTS = Path(".artifacts")

_TOOLS = ("openvino", "nncf", "tensorflow", "keras")

Report = Callable[[str], None]


def export(  # noqa: PLR0913 - the options of the command, and the same as `load` has
    model: str = "auto",
    *,
    weights: str | None = None,
    labels: Path | None = None,
    scaling: str | None = None,
    artifacts: Path = ARTIFACTS,
    calibration: Path | None = None,
    thresholds: Thresholds = THRESHOLDS,
    keep_pointer: bool = False,
    report: Report = lambda _: None,
) -> Path:
    """Export a model, named as for `shared.classifier.models.load`, and return the folder of the new version.

    int8's ranges are found on the pictures of the folder `calibration`, by default on the sample photographs. The
    pointer moves to the new version unless told to keep it. `report` is told of each stage.
    Raises ModelError, CalibrationError, ParityError, or ArtifactError where the folder cannot be written to.
    """
    report(f"Loading {model} as it is, the reference")
    with native_logs_held_back():
        classifier = load(model, weights=weights, labels=labels, scaling=scaling)
        classifier.warm_up()
    name = classifier.version.model
    read = folder_pictures if calibration else sample_pictures
    pictures = read(calibration or SAMPLES, classifier.preprocessing)
    try:
        (artifacts / name).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=artifacts / name) as beside:
            folder = Path(beside) / "artifact"
            folder.mkdir()
            from step3_microservices.worker.forms import measured_forms  # noqa: PLC0415 - brings TensorFlow

            forms = measured_forms(classifier, pictures, folder, thresholds, report)
            manifest = _write(folder, classifier, pictures, forms, thresholds)
            target = _put_in_place(folder, artifacts / name / manifest.version)
    except OSError as error:
        raise ArtifactError(f"{artifacts} cannot be written to: {error}.", "Choose another folder.") from error
    if not keep_pointer:
        point(str(artifacts), name, manifest.version)
    return target


def exported(
    model: str = "auto",
    *,
    weights: str | None = None,
    labels: Path | None = None,
    scaling: str | None = None,
    artifacts: Path = ARTIFACTS,
) -> bool:
    """Tell in a fraction of a second whether the pointer names a whole model of these options.

    Local files are compared by digest; what an address holds, or whether "auto" would by now find better weights, is
    not looked into.
    """
    try:
        artifact = fetch(str(artifacts), model, artifacts)
        files = [name for name in (weights, model) if name and Path(name).is_file()]
        digests = {sha256_of(Path(name)) for name in files}
        return (
            digests <= {artifact.manifest.weights_sha256}
            and scaling in {None, artifact.preprocessing.scaling.name}
            and (labels is None or read_labels(labels) == artifact.labels)
        )
    except ExpectedError:
        return False


def _write(
    folder: Path,
    classifier: "KerasClassifier",
    pictures: Pictures,
    forms: dict[str, Precision],
    thresholds: Thresholds,
) -> Manifest:
    """Add to the graphs in the folder everything else that an artifact consists of."""
    rows = [(label.text, label.wnid) for label in classifier.labels]
    (folder / LABELS).write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    explainable = True
    try:
        np.save(folder / CLASS_WEIGHTS, classifier.class_weights)
    except ExplanationUnsupportedError:
        explainable = False
    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    manifest = Manifest(
        format=FORMAT,
        version=version_of(files),
        model=classifier.version.model,
        weights_sha256=classifier.version.weights_sha256,
        preprocessing=classifier.preprocessing,
        explainable=explainable,
        files=files,
        precisions=forms,
        calibration=Calibration(len(pictures.calibration), pictures.source, pictures.sha256),
        thresholds=thresholds,
        tools={tool: version(tool) for tool in _TOOLS},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _put_in_place(folder: Path, target: Path) -> Path:
    """Give the finished folder its name; over one of the same version only what differs is laid, its manifest last."""
    if not target.exists():
        return folder.rename(target)
    store = FolderStore(target)
    for path in sorted(folder.iterdir(), key=lambda path: path.name == MANIFEST):
        store.upload(path, path.name)
    return target


def main(arguments: list[str] | None = None) -> int:
    """Export, and show what came of it; return the exit code."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        folder = export(
            options.model,
            weights=options.weights,
            labels=options.labels,
            scaling=options.scaling,
            artifacts=options.artifacts,
            calibration=options.calibration,
            thresholds=Thresholds(options.min_top1, options.min_top5, options.max_difference),
            keep_pointer=options.keep_pointer,
            report=lambda stage: console.print(f"==> {stage}", highlight=False, markup=False),
        )
        if options.publish:
            publish(folder, options.publish, keep_pointer=options.keep_pointer)
    except ExpectedError as error:
        print(f"{error.detail}\n{error.remedy}", file=sys.stderr)  # noqa: T201
        return 2
    Console().print(_table(read_artifact(folder).manifest))
    print(folder)  # noqa: T201
    return 0


def _table(manifest: Manifest) -> Table:
    table = Table("precision", title=f"{manifest.model} {manifest.version}", title_justify="left")
    for heading in ("images/s", "top-1 agreement", "top-5 overlap", "largest difference"):
        table.add_column(heading, justify="right")
    table.add_column("served")
    for name, form in manifest.precisions.items():
        parity = form.parity
        figures = (parity.top1_agreement, parity.top5_overlap, parity.largest_difference)
        verdict = "yes" if form.accepted else f"no: {form.reason}"
        speed = f"{form.images_per_s:.0f}" if form.accepted else "-"
        table.add_row(name, speed, *(f"{figure:.3f}" for figure in figures), verdict)
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m step3_microservices.worker.export",
        description="Export a classifier for the workers, in each precision that answers as the original does.",
    )
    parser.add_argument("--model", default="auto", help="auto, inception_v3, efficientnet_lite0 or a .keras file")
    parser.add_argument("--weights", help="a file or address instead of the published weights")
    parser.add_argument("--labels", type=Path, help="for a .keras file: its labels, one a line")
    parser.add_argument("--scaling", help="for a .keras file: how its input is scaled, such as zero_to_one")
    parser.add_argument("--artifacts", type=Path, default=ARTIFACTS, help="where to (default: %(default)s)")
    parser.add_argument("--calibration", type=Path, help="a folder of pictures like those that the model will meet")
    parser.add_argument("--min-top1", type=float, default=THRESHOLDS.min_top1, help="default: %(default)s")
    parser.add_argument("--min-top5", type=float, default=THRESHOLDS.min_top5, help="default: %(default)s")
    parser.add_argument("--max-difference", type=float, default=THRESHOLDS.max_difference, help="default: %(default)s")
    parser.add_argument("--keep-pointer", action="store_true", help="do not serve the new version yet")
    parser.add_argument("--publish", metavar="SOURCE", help="copy it to another folder or s3://bucket/prefix, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
