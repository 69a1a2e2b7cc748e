"""A user's own `.keras` file."""

import keras
import numpy as np
import pytest

from shared.classifier.images import decode
from shared.classifier.models import load
from shared.classifier.preprocess import preprocess
from shared.errors import (
    ExplanationUnsupportedError,
    LabelsMismatchError,
    ModelOptionsError,
    ModelOutputError,
    WeightsDamagedError,
    WeightsUnavailableError,
)
from tests.conftest import FINE_TUNED, SAMPLES, needs_fine_tuned_model


def brightness_model(activation="sigmoid", shape=(None, None, 3)):
    """A model of two classes, dark and bright, whose right answer is known by eye: inputs scaled to 0..1."""
    pixels = keras.Input(shape)
    mean = keras.layers.GlobalAveragePooling2D()(pixels)
    dense = keras.layers.Dense(2, activation=activation)
    model = keras.Model(pixels, dense(mean))
    dense.set_weights([np.float32([[-10, 10]] * 3), np.float32([15, -15])])
    return model


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("dark\nbright\n")
    return path


@pytest.fixture
def own_model(tmp_path):
    path = tmp_path / "brightness.keras"
    brightness_model("softmax").save(path)
    return str(path)


def test_it_answers_with_the_users_labels(own_model, labels):
    classifier = load(own_model, labels=labels, scaling="zero_to_one")
    white, black = np.full((1, 299, 299, 3), 250, np.uint8), np.full((1, 299, 299, 3), 5, np.uint8)

    answers = classifier.predict(np.concatenate([white, black]))

    assert [classifier.labels[row.argmax()].text for row in answers] == ["bright", "dark"]
    assert str(classifier.version).startswith("brightness/")
    assert str(classifier.version).endswith("/float32/stretch-299x299-bilinear-zero_to_one")


def test_the_stated_scaling_decides_what_the_model_sees(own_model, labels):
    grey = np.full((1, 299, 299, 3), 200, np.uint8)

    bright = load(own_model, labels=labels, scaling="zero_to_one").predict(grey)[0, 1]
    dark = load(own_model, labels=labels, scaling="minus_one_to_one").predict(grey)[0, 1]

    # 200 is 0.78 on the one scale and 0.57 on the other; the model's limit is 0.5 a channel.
    assert bright > dark > 0.5


def test_a_model_of_a_fixed_size_gets_pictures_of_that_size(tmp_path, labels):
    path = tmp_path / "small.keras"
    brightness_model("softmax", shape=(48, 64, 3)).save(path)

    classifier = load(str(path), labels=labels, scaling="zero_to_one")

    assert (classifier.preprocessing.width, classifier.preprocessing.height) == (64, 48)


@pytest.mark.parametrize(
    "options",
    [{}, {"scaling": "zero_to_one"}, {"labels": True}, {"labels": True, "scaling": "zero_to_one", "weights": "x.h5"}],
)
def test_labels_and_scaling_are_both_needed_and_weights_make_no_sense(own_model, labels, options):
    if "labels" in options:
        options = options | {"labels": labels}

    with pytest.raises(ModelOptionsError, match="scaling"):
        load(own_model, **options)


def test_the_number_of_labels_has_to_be_that_of_the_classes(own_model, labels):
    labels.write_text("dark\nbright\nneither\n")

    with pytest.raises(LabelsMismatchError, match="3 labels"):
        load(own_model, labels=labels, scaling="zero_to_one")


def test_a_model_that_does_not_answer_with_probabilities_is_refused_before_it_answers(tmp_path, labels):
    path = tmp_path / "logits.keras"
    brightness_model(activation=None).save(path)
    classifier = load(str(path), labels=labels, scaling="zero_to_one")

    with pytest.raises(ModelOutputError, match="softmax"):
        classifier.warm_up()


def test_a_model_that_takes_no_pictures_is_refused(tmp_path, labels):
    path = tmp_path / "table.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")]).save(path)

    with pytest.raises(ModelOptionsError, match="channels last"):
        load(str(path), labels=labels, scaling="zero_to_one")


@pytest.mark.parametrize("name", ["missing.keras", "~nobody-of-that-name/missing.keras", "x" * 5000 + "missing.keras"])
def test_a_missing_model_is_a_clear_error(labels, name):
    with pytest.raises(WeightsUnavailableError, match=r"missing\.keras"):
        load(name, labels=labels, scaling="zero_to_one")


def test_a_damaged_model_is_a_clear_error(tmp_path, labels):
    path = tmp_path / "damaged.keras"
    path.write_bytes(b"PK\x03\x04 and no more")

    with pytest.raises(WeightsDamagedError, match=r"damaged\.keras"):
        load(str(path), labels=labels, scaling="zero_to_one")


def test_a_model_that_carries_python_code_is_refused(tmp_path, labels):
    path = tmp_path / "lambda.keras"
    trace = tmp_path / "it-ran"
    text = str(trace)
    code = keras.layers.Lambda(lambda x: [x, open(text, "w")][0], output_shape=(8, 8, 3))  # noqa: PTH123, SIM115
    pixels = keras.Input((8, 8, 3))
    end = keras.layers.Dense(2, activation="softmax")
    keras.Model(pixels, end(keras.layers.GlobalAveragePooling2D()(code(pixels)))).save(path)
    trace.unlink(missing_ok=True)

    with pytest.raises(WeightsDamagedError, match="Lambda"):
        load(str(path), labels=labels, scaling="zero_to_one")

    assert not trace.exists()


@pytest.mark.parametrize(
    ("model", "options"), [("vgg16", {}), ("pets.h5", {}), ("inception_v3", {"scaling": "zero_to_one"})]
)
def test_options_that_do_not_go_together_are_refused(model, options):
    with pytest.raises(ModelOptionsError):
        load(model, **options)


def test_the_version_names_the_precision_the_model_was_saved_with(tmp_path, labels):
    model = brightness_model("softmax")
    for layer in model.layers:
        layer.dtype_policy = "mixed_bfloat16"
    model.save(tmp_path / "mixed.keras")

    classifier = load(str(tmp_path / "mixed.keras"), labels=labels, scaling="zero_to_one")

    assert classifier.version.precision == "mixed_bfloat16"


@needs_fine_tuned_model
def test_a_real_fine_tuned_inception_v3_answers_photographs():
    classifier = load(str(FINE_TUNED), labels=FINE_TUNED.with_name("labels.txt"), scaling="zero_to_one")
    classifier.warm_up()

    for name in ("cat", "coffee", "astronaut"):
        image = decode((SAMPLES / f"{name}.jpg").read_bytes())
        probabilities = classifier.predict(preprocess(image.rgb, classifier.preprocessing))[0]
        assert classifier.labels[probabilities.argmax()].text == "neutral"
        assert probabilities.max() > 0.95

    with pytest.raises(ExplanationUnsupportedError):
        classifier.check_explainable()
