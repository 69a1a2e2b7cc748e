"""bfloat16 answers the same questions the same way, in coarser numbers."""

import keras
import numpy as np
import pytest

from shared.classifier.images import decode
from shared.classifier.labels import top_k
from shared.classifier.models import load
from shared.classifier.precision import in_bfloat16
from shared.classifier.preprocess import preprocess
from shared.errors import ModelOptionsError
from tests.conftest import FINE_TUNED, SAMPLES, needs_fine_tuned_model

FINE_TUNED_OPTIONS = {"labels": FINE_TUNED.with_name("labels.txt"), "scaling": "zero_to_one"}


def photographs(classifier):
    pictures = [decode(path.read_bytes()).rgb for path in sorted(SAMPLES.glob("*.jpg"))]
    return np.concatenate([preprocess(picture, classifier.preprocessing) for picture in pictures])


@pytest.fixture(scope="module")
def offline_in_bfloat16():
    return load("efficientnet_lite0", precision="bfloat16")


def test_the_offline_model_sees_the_same_in_its_photographs(offline_classifier, offline_in_bfloat16):
    batch = photographs(offline_classifier)

    exact, coarse = offline_classifier.predict(batch), offline_in_bfloat16.predict(batch)

    assert coarse.dtype == np.float32
    assert np.abs(coarse - exact).max() < 0.06
    assert (coarse != exact).any(), "it computes in float32 all the same"
    for row, other in zip(exact, coarse, strict=True):
        labels = [{p.label for p in top_k(one, offline_classifier.labels)} for one in (row, other)]
        assert len(labels[0] & labels[1]) >= 4


def test_its_version_says_so(offline_classifier, offline_in_bfloat16):
    version, other = offline_in_bfloat16.version, offline_classifier.version

    assert version.precision == "bfloat16+float32", "the last layer stays exact"
    assert (version.model, version.weights_sha256) == (other.model, other.weights_sha256)
    assert str(version) != str(other)


def test_its_answers_can_be_explained(offline_classifier, offline_in_bfloat16):
    batch = photographs(offline_classifier)

    (_, exact), (_, coarse) = (one.predict_with_features(batch) for one in (offline_classifier, offline_in_bfloat16))

    assert coarse.dtype == np.float32
    assert np.corrcoef(exact.ravel(), coarse.ravel())[0, 1] > 0.99


@needs_fine_tuned_model
def test_a_users_own_inception_v3_says_the_same_of_every_photograph():
    exact, coarse = (load(str(FINE_TUNED), **FINE_TUNED_OPTIONS, precision=name) for name in ("float32", "bfloat16"))
    batch = photographs(exact)

    assert (exact.predict(batch).argmax(1) == coarse.predict(batch).argmax(1)).all()
    assert np.abs(exact.predict(batch) - coarse.predict(batch)).max() < 0.06


def test_a_precision_that_there_is_not_is_refused_with_those_that_there_are():
    with pytest.raises(ModelOptionsError, match="float32, bfloat16"):
        load("efficientnet_lite0", precision="int8")


def ending_in(*layers_at_the_end):
    pixels = keras.Input((16, 16, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(pixels))
    for layer in layers_at_the_end:
        x = layer(x)
    return keras.Model(pixels, x)


def test_a_softmax_of_its_own_stays_exact():
    coarse = in_bfloat16(ending_in(keras.layers.Dense(3), keras.layers.Activation("softmax")))

    assert coarse.outputs[0].dtype == "float32"


def test_a_model_within_a_model_is_refused_rather_than_left_as_it_is():
    pixels = keras.Input((16, 16, 3))
    nested = keras.Model(pixels, keras.layers.Dense(2)(ending_in()(pixels)))

    with pytest.raises(ModelOptionsError, match="holds another model"):
        in_bfloat16(nested)
