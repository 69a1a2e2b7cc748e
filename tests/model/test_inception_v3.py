"""InceptionV3 by its structure, its ways to get weights, and its numbers against Keras called directly."""

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from shared.classifier import weights
from shared.classifier.images import decode
from shared.classifier.labels import top_k
from shared.classifier.models import load
from shared.classifier.preprocess import preprocess
from shared.errors import ModelOptionsError, WeightsDamagedError, WeightsUnavailableError
from tests.conftest import SAMPLES


@pytest.fixture(scope="module")
def random_model():
    """The network with random weights that react to their input: fresh ones answer every picture alike."""
    keras.utils.set_random_seed(299)
    model = keras.applications.InceptionV3(weights=None)
    kernel, bias = model.get_layer("predictions").get_weights()
    model.get_layer("predictions").set_weights([kernel * 30_000, bias])
    return model


@pytest.fixture(scope="module")
def weights_file(random_model, tmp_path_factory):
    """The random weights in the format of the published file."""
    path = tmp_path_factory.mktemp("weights") / "random.h5"
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, random_model)
    return path


@pytest.fixture
def hub(web_folder, monkeypatch, tmp_path, weights_file):
    """A hub on this machine that publishes the random weights, and an empty Keras cache."""
    folder, address = web_folder
    (folder / "published.h5").hardlink_to(weights_file)
    monkeypatch.setattr(weights, "INCEPTION_V3_ADDRESS", f"{address}/published.h5")
    monkeypatch.setattr(weights, "INCEPTION_V3_SHA256", weights.sha256_of(weights_file))
    monkeypatch.setattr(weights.keras_config, "keras_home", lambda: str(tmp_path))
    return folder


@pytest.fixture
def no_network(hub, monkeypatch):
    """The same, with a hub that refuses every connection."""
    monkeypatch.setattr(weights, "INCEPTION_V3_ADDRESS", "http://127.0.0.1:9/published.h5")


@pytest.fixture(scope="module")
def photographs():
    return np.concatenate(
        [
            np.asarray(decode(path.read_bytes()).rgb.resize((299, 299)))[np.newaxis]
            for path in sorted(SAMPLES.glob("*.jpg"))
        ]
    )


def test_its_structure_is_that_of_the_paper(random_model, weights_file):
    classifier = load("inception_v3", weights=str(weights_file))

    assert random_model.count_params() == 23_851_784
    assert classifier.predict(np.zeros((2, 299, 299, 3), np.uint8)).shape == (2, 1000)
    assert classifier.class_weights.shape == (2048, 1000)
    assert len(classifier.labels) == 1000


def test_it_answers_as_keras_called_directly(random_model, weights_file, photographs):
    classifier = load("inception_v3", weights=str(weights_file))

    answers = classifier.predict(photographs)

    scaled = keras.applications.inception_v3.preprocess_input(photographs.astype(np.float32))
    expected = random_model.predict(scaled, verbose=0)
    assert np.ptp(expected, axis=0).max() > 0.01, "the random model answers all pictures alike, which proves nothing"
    assert answers == pytest.approx(expected, abs=1e-5)


def test_weights_in_the_format_of_keras_3_are_read_too(random_model, weights_file, tmp_path):
    path = tmp_path / "random.weights.h5"
    random_model.save_weights(path)

    classifier = load("inception_v3", weights=str(path))

    assert classifier.version.model == "inception_v3"
    assert classifier.version.weights_sha256 == weights.sha256_of(path)


def test_the_published_weights_are_fetched_once_and_then_come_from_the_cache(hub, capsys):
    fetched = load("inception_v3")
    (hub / "published.h5").unlink()
    cached = load("inception_v3")

    assert fetched.version == cached.version
    printed = capsys.readouterr()
    assert "Downloading" in printed.err
    assert printed.out == ""


def test_a_damaged_cache_is_fetched_anew(hub, tmp_path):
    damaged = tmp_path / "models" / "published.h5"
    damaged.parent.mkdir()
    damaged.write_bytes(b"half a download")

    assert load("inception_v3").version.weights_sha256 == weights.INCEPTION_V3_SHA256


def test_without_network_the_error_names_three_remedies(no_network):
    with pytest.raises(WeightsUnavailableError) as error:
        load("inception_v3")

    assert "not on this machine" in error.value.detail
    assert all(remedy in error.value.remedy for remedy in ("1. Connect", "2. Fetch", "3. Choose"))


def test_a_hub_that_serves_something_else_is_not_believed(hub, monkeypatch):
    monkeypatch.setattr(weights, "INCEPTION_V3_SHA256", "0" * 64)

    with pytest.raises(WeightsUnavailableError, match="hash"):
        load("inception_v3")


def test_auto_is_inception_v3_where_its_weights_can_be_fetched(hub, caplog):
    assert load("auto").version.model == "inception_v3"
    assert not caplog.records


def test_auto_is_the_offline_model_without_network_and_says_so_once(no_network, caplog):
    assert load("auto").version.model == "efficientnet_lite0"

    (record,) = caplog.records
    assert "efficientnet_lite0" in record.getMessage()


def test_auto_with_a_weights_file_never_falls_back(no_network, tmp_path):
    with pytest.raises(WeightsUnavailableError, match=r"missing\.h5"):
        load("auto", weights=str(tmp_path / "missing.h5"))


def test_weights_may_be_given_by_address_with_their_digest(hub, web_folder):
    _, address = web_folder

    classifier = load("inception_v3", weights=f"{address}/published.h5#sha256={weights.INCEPTION_V3_SHA256}")

    assert classifier.version.weights_sha256 == weights.INCEPTION_V3_SHA256


@pytest.mark.parametrize("end", ["/nothing.h5", "/published.h5#sha256=" + "0" * 64])
def test_an_address_with_nothing_or_something_else_behind_it_is_a_clear_error(hub, web_folder, end):
    _, address = web_folder

    with pytest.raises(WeightsUnavailableError, match=address):
        load("inception_v3", weights=address + end)


def test_a_download_that_holds_no_weights_is_not_kept(hub, web_folder, weights_file):
    folder, address = web_folder
    (folder / "given.h5").write_text("<html>Please log in.</html>")
    with pytest.raises(WeightsDamagedError):
        load("inception_v3", weights=f"{address}/given.h5")
    (folder / "given.h5").unlink()
    (folder / "given.h5").hardlink_to(weights_file)

    assert load("inception_v3", weights=f"{address}/given.h5").version.weights_sha256 == weights.INCEPTION_V3_SHA256


@pytest.mark.parametrize("fragment", ["#sha256=abc", "#md5=d41d8cd98f00b204e9800998ecf8427e"])
def test_what_is_no_digest_is_not_taken_for_one(hub, web_folder, fragment):
    with pytest.raises(ModelOptionsError, match="no digest"):
        load("inception_v3", weights=f"{web_folder[1]}/published.h5{fragment}")


@pytest.mark.parametrize("damage", ["truncated", "text", "another network", "wrong type"])
def test_a_damaged_weights_file_is_a_clear_error(weights_file, tmp_path, damage):
    path = tmp_path / ("damaged.zip" if damage == "wrong type" else "damaged.h5")
    if damage == "truncated":
        path.write_bytes(weights_file.read_bytes()[:1_000_000])
    elif damage == "another network":
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(
                file, keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
            )
    else:
        path.write_text("this is no weights file")

    with pytest.raises(WeightsDamagedError, match="damaged"):
        load("inception_v3", weights=str(path))


@pytest.mark.hub
def test_with_the_published_weights_a_cat_is_a_cat():
    try:
        classifier = load("inception_v3")
    except WeightsUnavailableError as error:
        pytest.skip(f"needs the network, or the cached weights: {error.detail}")

    image = decode((SAMPLES / "cat.jpg").read_bytes())
    probabilities = classifier.predict(preprocess(image.rgb, classifier.preprocessing))[0]

    assert top_k(probabilities, classifier.labels, 1)[0].label in {"Egyptian cat", "tabby", "tiger cat"}
