"""An exported model answers as the Keras classifier does, through the same methods, without TensorFlow."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import psutil
import pytest

from shared.classifier.explain import explain
from shared.classifier.images import decode
from shared.classifier.keras_classifier import KerasClassifier
from shared.classifier.preprocess import preprocess
from shared.errors import ExplanationUnsupportedError, ModelOutputError
from step3_microservices.worker.artifacts import Artifact, fetch
from step3_microservices.worker.compiled_model import is_supported
from step3_microservices.worker.export import export
from step3_microservices.worker.runtime import Classifier, OpenVinoClassifier, PrecisionError, load_artifact
from tests.app.step3.tiny_model import plain, write_tiny_model
from tests.conftest import ROOT, SAMPLES

IN_A_FRESH_PROCESS = """
import sys
from pathlib import Path
import numpy as np
from step3_microservices.worker.artifacts import fetch
from step3_microservices.worker.runtime import load_artifact
classifier = load_artifact(fetch({artifacts!r}, "efficientnet_lite0", Path({artifacts!r})), "int8")
classifier.warm_up()
classifier.predict(np.zeros((8, 224, 224, 3), np.uint8))
print(*sorted({{"tensorflow", "keras", "nncf", "openvino_telemetry"}} & {{*sys.modules}}))
sys.stdout.flush()
sys.stdin.read()
"""

STOPPED_AFTER_A_SWITCH = """
import os, signal
from pathlib import Path
from threading import Thread
from step3_microservices.worker.artifacts import fetch
from step3_microservices.worker.runtime import load_artifact
artifact = fetch({artifacts!r}, "efficientnet_lite0", Path({artifacts!r}))
served = [load_artifact(artifact, "int8")]
def switch():
    served[:] = [load_artifact(artifact, "int8")]
thread = Thread(target=switch)
thread.start()
thread.join()
signal.signal(signal.SIGTERM, lambda *_: print("heard"))
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.fixture(scope="module")
def artifact(artifacts: Path) -> Artifact:
    return fetch(str(artifacts), "efficientnet_lite0", artifacts)


@pytest.fixture(scope="module")
def float32(artifact: Artifact) -> OpenVinoClassifier:
    classifier = load_artifact(artifact, "float32")
    classifier.warm_up(with_features=True)
    return classifier


@pytest.fixture(scope="module")
def batch(artifact: Artifact):
    images = [decode(path.read_bytes()).rgb for path in sorted(SAMPLES.glob("*.jpg"))]
    photographs = np.concatenate([preprocess(image, artifact.preprocessing) for image in images])
    return np.concatenate([photographs, photographs[:, :, ::-1], photographs[:1, ::-1]])


def test_it_answers_as_the_keras_classifier_does(float32: Classifier, offline_classifier: KerasClassifier, batch):
    probabilities, features = float32.predict_with_features(batch)
    expected, expected_features = offline_classifier.predict_with_features(batch)

    assert probabilities == pytest.approx(expected, abs=1e-4)
    assert features == pytest.approx(expected_features, abs=1e-3)
    assert float32.class_weights == pytest.approx(offline_classifier.class_weights)
    assert (float32.labels, float32.preprocessing) == (offline_classifier.labels, offline_classifier.preprocessing)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_picture_gets_the_same_answer_in_any_company(artifact: Artifact, precision: str, batch):
    classifier = load_artifact(artifact, precision)
    alone = np.concatenate([classifier.predict(batch[[index]]) for index in range(len(batch))])

    for count in range(1, len(batch) + 1):
        together = classifier.predict(batch[:count])

        assert together.shape == (count, 1000)
        assert together == pytest.approx(alone[:count], abs=1e-5)


def test_an_answer_stays_as_it_is_when_the_next_is_computed(float32: Classifier, batch):
    first, first_features = float32.predict_with_features(batch[:1])
    copy, features_copy = first.copy(), first_features.copy()

    float32.predict_with_features(batch[1:2])

    assert np.array_equal(first, copy)
    assert np.array_equal(first_features, features_copy)


def test_bytes_from_a_queue_are_as_good_as_an_array(float32: Classifier, batch):
    read_only = np.frombuffer(batch[:2].tobytes(), np.uint8).reshape(batch[:2].shape)
    turned = np.asfortranarray(batch[:2])

    assert np.array_equal(float32.predict(read_only), float32.predict(batch[:2]))
    assert np.array_equal(float32.predict(turned), float32.predict(batch[:2]))


def test_features_explain_the_quantised_answer_too(artifact: Artifact, offline_classifier: KerasClassifier, batch):
    classifier = load_artifact(artifact, "int8")
    probabilities, features = classifier.predict_with_features(batch[1:2])
    class_index = int(probabilities[0].argmax())

    grid = np.float32(
        explain(features[0], classifier.class_weights, class_index, classifier.preprocessing, (451, 300)).grid
    )

    _, reference = offline_classifier.predict_with_features(batch[1:2])
    expected = reference[0] @ offline_classifier.class_weights[:, class_index]
    assert grid.shape == (7, 7)
    assert np.corrcoef(grid.ravel(), expected.ravel())[0, 1] > 0.95


def test_the_fastest_accepted_precision_is_served(artifact: Artifact):
    forms = artifact.manifest.precisions
    slow = {name: replace(form, images_per_s=1.0) for name, form in forms.items()}

    for fastest in [name for name, form in forms.items() if form.accepted and is_supported(name)]:
        figures = slow | {fastest: replace(forms[fastest], images_per_s=2.0)}
        altered = replace(artifact, manifest=replace(artifact.manifest, precisions=figures))

        assert load_artifact(altered).version.precision.startswith(f"openvino-{fastest}")


def test_equal_versions_mean_equal_models(artifact: Artifact, offline_classifier: KerasClassifier):
    float32, bfloat16, int8 = (artifact.version(name) for name in ("float32", "bfloat16", "int8"))

    assert len({str(version) for version in (float32, bfloat16, int8, offline_classifier.version)}) == 4
    assert re.fullmatch(r"openvino-int8-[0-9a-f]{8}", int8.precision)
    assert replace(float32, precision="float32") == offline_classifier.version


@pytest.mark.parametrize(
    ("precision", "accepted", "told"),
    [
        ("float16", True, "There is no precision 'float16'"),
        ("int8", False, "efficientnet_lite0 is not served in int8: too far off"),
    ],
)
def test_a_precision_that_cannot_be_had_says_why_and_which_can(artifact: Artifact, precision, accepted, told):
    forms = dict(artifact.manifest.precisions)
    forms["int8"] = replace(forms["int8"], accepted=accepted, reason="too far off")
    altered = replace(artifact, manifest=replace(artifact.manifest, precisions=forms))

    with pytest.raises(PrecisionError, match=told) as raised:
        load_artifact(altered, precision)

    assert "Choose auto or one of float32" in raised.value.remedy


def test_a_model_without_class_activation_maps_says_so(tmp_path: Path):
    model = write_tiny_model(tmp_path, explainable=False)
    folder = export(str(model.path), **model.options, artifacts=tmp_path)
    classifier = load_artifact(fetch(str(tmp_path), "colours", tmp_path, folder.name))

    for ask in (classifier.check_explainable, lambda: classifier.class_weights):
        with pytest.raises(ExplanationUnsupportedError):
            ask()
    with pytest.raises(ExplanationUnsupportedError):
        classifier.predict_with_features(plain(1, 2, 3))


def test_a_model_that_answers_with_something_else_than_probabilities_is_not_warmed_up(
    artifact: Artifact, tmp_path: Path
):
    shutil.copy(artifact.folder / "labels.json", tmp_path)
    openvino = import_module("openvino")
    ops = import_module("openvino.opset15")
    pictures = ops.parameter([-1, 224, 224, 3], np.uint8)
    brightness = ops.reduce_mean(ops.convert(pictures, "f32"), np.array([1, 2]))
    openvino.save_model(openvino.Model([brightness], [pictures]), tmp_path / "float32.xml")

    with pytest.raises(ModelOutputError, match="answers with numbers from 128 to 128"):
        OpenVinoClassifier(replace(artifact, folder=tmp_path), "float32").warm_up()


def test_a_process_that_serves_is_small_and_has_no_tensorflow(artifacts: Path):
    program = IN_A_FRESH_PROCESS.format(artifacts=str(artifacts))
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        imported = process.stdout.readline().split()
        megabytes = psutil.Process(process.pid).memory_info().rss / 1e6
        process.stdin.close()

    assert process.returncode == 0
    assert imported == []
    assert megabytes < 200


def test_a_process_that_has_switched_to_another_model_still_hears_signals(artifacts: Path):
    program = STOPPED_AFTER_A_SWITCH.format(artifacts=str(artifacts))

    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (run.returncode, run.stdout) == (0, "heard\n"), run.stderr
