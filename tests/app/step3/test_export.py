"""From a Keras model to files that may be served: in every precision, and only those that answer as before."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.classifier.images import decode
from shared.classifier.labels import top_k
from shared.classifier.models import load
from shared.classifier.preprocess import EFFICIENTNET_LITE0, preprocess
from step3_microservices.worker.artifacts import current, fetch, read_artifact
from step3_microservices.worker.calibration import CalibrationError, folder_pictures, sample_pictures
from step3_microservices.worker.export import export, exported, main
from step3_microservices.worker.forms import ParityError
from step3_microservices.worker.manifest import Thresholds
from step3_microservices.worker.parity import THRESHOLDS, compare, refusal
from step3_microservices.worker.runtime import OpenVinoClassifier, PrecisionError, load_artifact
from tests.app.step3.tiny_model import COLOURS, TinyModel, plain, write_tiny_model
from tests.conftest import ROOT, SAMPLES

EXACT_ONLY = Thresholds(min_top1=1, min_top5=1, max_difference=1e-5)


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tiny_artifacts(tiny_model: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny-artifacts")
    export(str(tiny_model.path), **tiny_model.options, artifacts=folder)
    return folder


def test_the_offline_model_passes_the_gate_in_every_precision(artifacts: Path):
    forms = fetch(str(artifacts), "auto", artifacts).manifest.precisions

    assert forms["float32"].parity.largest_difference < 1e-4
    assert forms["float32"].parity.top1_agreement == forms["float32"].parity.top5_overlap == 1
    assert forms["int8"].accepted, forms["int8"].reason
    assert forms["bfloat16"].accepted or "no arithmetic" in forms["bfloat16"].reason
    assert all(form.images_per_s > 0 for form in forms.values() if form.accepted)


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize(
    ("photograph", "expected"), [("cat", {"tabby", "tiger cat", "Egyptian cat"}), ("coffee", {"espresso"})]
)
def test_photographs_are_still_told_apart(artifacts: Path, precision: str, photograph: str, expected: set[str]):
    classifier = OpenVinoClassifier(fetch(str(artifacts), "efficientnet_lite0", artifacts), precision)
    image = decode((SAMPLES / f"{photograph}.jpg").read_bytes()).rgb

    probabilities = classifier.predict(preprocess(image, classifier.preprocessing))

    assert top_k(probabilities[0], classifier.labels, 1)[0].label in expected


def test_the_manifest_tells_what_was_exported_and_by_what(tiny_model: TinyModel, tiny_artifacts: Path):
    reference = load(str(tiny_model.path), **tiny_model.options)

    artifact = fetch(str(tiny_artifacts), str(tiny_model.path), tiny_artifacts)

    manifest = artifact.manifest
    assert (manifest.model, manifest.weights_sha256) == ("colours", reference.version.weights_sha256)
    assert (artifact.preprocessing, artifact.labels) == (reference.preprocessing, reference.labels)
    assert artifact.class_weights == pytest.approx(reference.class_weights)
    assert {*manifest.files} | {"manifest.json"} == {path.name for path in artifact.folder.iterdir()}
    assert {*manifest.tools} == {"openvino", "nncf", "tensorflow", "keras"}
    assert manifest.calibration.source == "the sample photographs"
    assert len(manifest.calibration.sha256) == 64
    assert all(form.parity.pictures == 128 for name, form in manifest.precisions.items() if name != "bfloat16")
    assert artifact.folder.name == manifest.version == current(str(tiny_artifacts), "colours")


def test_what_is_refused_is_listed_with_its_figures_and_not_served(tiny_model: TinyModel, tmp_path: Path):
    folder = export(str(tiny_model.path), **tiny_model.options, artifacts=tmp_path, thresholds=EXACT_ONLY)

    artifact = read_artifact(folder)
    int8 = artifact.manifest.precisions["int8"]
    assert artifact.manifest.precisions["float32"].accepted
    assert not int8.accepted
    assert f"a probability off by {int8.parity.largest_difference:.3f}" in int8.reason
    assert not list(folder.glob("int8*"))
    assert load_artifact(artifact).version.precision == "openvino-float32"
    with pytest.raises(PrecisionError, match="not served in int8: a probability off by"):
        load_artifact(artifact, "int8")


def test_a_conversion_that_changes_answers_publishes_nothing(tiny_model: TinyModel, tmp_path: Path):
    impossible = Thresholds(min_top1=0, min_top5=0, max_difference=-1)

    with pytest.raises(ParityError, match="does not answer as before: a probability off by"):
        export(str(tiny_model.path), **tiny_model.options, artifacts=tmp_path, thresholds=impossible)

    assert [path.name for path in tmp_path.rglob("*")] == ["colours"]


def test_a_model_without_class_activation_maps_is_exported_without_them(tmp_path: Path):
    model = write_tiny_model(tmp_path, explainable=False)

    artifact = read_artifact(export(str(model.path), **model.options, artifacts=tmp_path / "artifacts"))
    classifier = load_artifact(artifact)

    assert not artifact.manifest.explainable
    assert "class_weights.npy" not in artifact.manifest.files
    assert COLOURS[classifier.predict(plain(0, 250, 0))[0].argmax()] == "green"


def test_a_new_version_can_wait_for_its_turn(tiny_model: TinyModel, tiny_artifacts: Path, tmp_path: Path):
    options = tiny_model.options | {"artifacts": tmp_path}
    first = export(str(tiny_model.path), **options)

    second = export(str(tiny_model.path), **options, thresholds=EXACT_ONLY, keep_pointer=True)

    assert second.name != first.name
    assert current(str(tmp_path), "colours") == first.name


def test_ties_do_not_count_as_disagreement_and_everything_else_does():
    reference = np.float32([[0.41, 0.40, 0.19], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7]])
    answers = np.float32([[0.40, 0.41, 0.19], [0.3, 0.6, 0.1], [0.1, 0.2, 0.7]])

    parity = compare(answers, reference)

    assert (parity.pictures, parity.decided, parity.top1_agreement) == (3, 2, 0.5)
    assert parity.largest_difference == pytest.approx(0.3)
    assert "top-1 agreement 0.500, and 0.98 is asked for" in refusal(parity, THRESHOLDS)


def test_other_classes_among_the_first_five_lower_the_overlap():
    reference = np.eye(8, dtype=np.float32)[:1] * 0.5 + np.float32([8, 7, 6, 5, 4, 3, 2, 1]) / 100
    answers = reference[:, [0, 1, 2, 5, 6, 3, 4, 7]]

    assert compare(answers, reference).top5_overlap == pytest.approx(3 / 5)


def test_what_is_no_number_is_refused():
    reference = np.float32([[0.9, 0.1]])

    assert "off by nan" in refusal(compare(np.float32([[np.nan, np.nan]]), reference), THRESHOLDS)


def test_no_picture_is_both_calibrated_and_compared_on():
    pictures = sample_pictures(SAMPLES, EFFICIENTNET_LITE0)

    calibrated = {batch.tobytes() for batch in pictures.calibration}
    compared = {batch.tobytes() for batch in pictures.parity}

    assert (len(calibrated), len(compared)) == (64, 128)
    assert not calibrated & compared


def test_of_a_users_pictures_every_fourth_is_held_out(tmp_path: Path):
    for shade in range(8):
        _write_plain(tmp_path / f"{shade}.png", 30 * shade)

    pictures = folder_pictures(tmp_path, EFFICIENTNET_LITE0)

    assert {int(batch[0, 0, 0, 0]) for batch in pictures.calibration} == {0, 30, 60, 120, 150, 180}
    assert {int(batch[0, 0, 0, 0]) for batch in pictures.parity} == {90, 210}


def test_a_folder_that_cannot_be_calibrated_on_is_named(tmp_path: Path):
    with pytest.raises(CalibrationError, match="There is no folder"):
        folder_pictures(tmp_path / "nowhere", EFFICIENTNET_LITE0)
    with pytest.raises(CalibrationError, match="holds 0 pictures"):
        folder_pictures(tmp_path, EFFICIENTNET_LITE0)
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(CalibrationError, match=r"notes\.txt is no picture"):
        folder_pictures(tmp_path, EFFICIENTNET_LITE0)


def test_what_is_exported_already_is_known_without_tensorflow(
    tiny_model: TinyModel, tiny_artifacts: Path, tmp_path: Path
):
    model, options = str(tiny_model.path), tiny_model.options | {"artifacts": tiny_artifacts}
    program = f"""
import sys
from pathlib import Path
from step3_microservices.worker.export import exported
print(exported({model!r}, labels=Path({str(tiny_model.labels)!r}), scaling="zero_to_one",
               artifacts=Path({str(tiny_artifacts)!r})))
print(*sorted({{"tensorflow", "keras", "openvino", "nncf"}} & {{*sys.modules}}))
"""

    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.stdout.split() == ["True"], run.stderr
    assert not exported(model, **options | {"artifacts": tmp_path})
    assert not exported(model, **options | {"scaling": "imagenet"})
    assert not exported("efficientnet_lite0", artifacts=tiny_artifacts)
    (tmp_path / "labels.txt").write_text("one\ntwo\nthree")
    assert not exported(model, **options | {"labels": tmp_path / "labels.txt"})
    other = write_tiny_model(tmp_path, explainable=False)
    assert not exported(str(other.path), **options)


def test_the_command_prints_a_table_and_the_folder(tiny_model: TinyModel, tmp_path: Path, capsys):
    arguments = ["--model", str(tiny_model.path), "--labels", str(tiny_model.labels), "--scaling", "zero_to_one"]
    published = tmp_path / "published"

    code = main([*arguments, "--artifacts", str(tmp_path), "--max-difference", "1e-5", "--publish", str(published)])

    printed, told = capsys.readouterr()
    folder = tmp_path / "colours" / current(str(tmp_path), "colours")
    assert code == 0
    assert printed.splitlines()[-1] == str(folder)
    assert "int8" in printed
    assert "no: a" in printed
    assert "Quantising" in told
    assert current(str(published), "colours") == folder.name
    assert json.loads((folder / "manifest.json").read_text())["thresholds"]["max_difference"] == 1e-5


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "nonsense"], "There is no model 'nonsense'"),
        (["--model", "efficientnet_lite0", "--weights", "nowhere.pth"], "There is no file nowhere.pth"),
    ],
)
def test_the_command_explains_what_it_cannot_do(arguments: list[str], told: str, tmp_path: Path, capsys):
    assert main([*arguments, "--artifacts", str(tmp_path)]) == 2

    assert told in capsys.readouterr().err


def _write_plain(path: Path, shade: int) -> None:
    Image.new("RGB", (320, 320), (shade, shade, shade)).save(path)
