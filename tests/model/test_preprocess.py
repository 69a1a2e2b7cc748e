import numpy as np
import pytest
from PIL import Image

from shared.classifier.preprocess import EFFICIENTNET_LITE0, INCEPTION_V3, preprocess


def columns(width, height):
    """A picture whose red tells the column and whose green tells the row, each from 0 to 250."""
    red = np.broadcast_to(np.linspace(0, 250, width), (height, width))
    green = np.broadcast_to(np.linspace(0, 250, height)[:, np.newaxis], (height, width))
    return Image.fromarray(np.stack([red, green, np.zeros_like(red)], axis=-1).astype(np.uint8))


@pytest.mark.parametrize("size", [(900, 300), (300, 900), (299, 299), (7, 5), (1, 1)])
@pytest.mark.parametrize("preprocessing", [INCEPTION_V3, EFFICIENTNET_LITE0])
def test_any_size_becomes_a_batch_of_one_at_the_models_size(preprocessing, size):
    batch = preprocess(columns(*size), preprocessing)

    assert batch.shape == (1, preprocessing.height, preprocessing.width, 3)
    assert batch.dtype == np.uint8


def test_stretching_shows_the_model_the_whole_picture():
    batch = preprocess(columns(900, 300), INCEPTION_V3)[0]

    assert batch[0, 0, :2].tolist() == pytest.approx([0, 0], abs=2)
    assert batch[-1, -1, :2].tolist() == pytest.approx([250, 250], abs=2)


def test_cropping_shows_the_model_the_centre_in_proportion():
    batch = preprocess(columns(1024, 512), EFFICIENTNET_LITE0)[0].astype(float)

    # Of the shorter side, 224/256 remain; of the longer one as many pixels.
    assert batch[-1, -1, 1] - batch[0, 0, 1] == pytest.approx(250 * 224 / 256, abs=3)
    assert batch[-1, -1, 0] - batch[0, 0, 0] == pytest.approx(250 * 224 / 256 / 2, abs=3)
    assert batch[112, 112, :2].tolist() == pytest.approx([125, 125], abs=2)


def test_the_crop_agrees_with_resizing_first_and_cropping_then():
    picture = columns(640, 512)

    resized = picture.resize((320, 256), Image.Resampling.BICUBIC).crop((48, 16, 272, 240))

    difference = np.asarray(resized).astype(int) - preprocess(picture, EFFICIENTNET_LITE0)[0]
    assert np.abs(difference).max() <= 1


def test_every_difference_in_preprocessing_shows_in_its_name():
    assert str(INCEPTION_V3) == "stretch-299x299-bilinear-minus_one_to_one"
    assert str(EFFICIENTNET_LITE0) == "crop0.875-224x224-bicubic-imagenet"


def test_a_decoder_may_not_reduce_below_what_the_crop_needs():
    assert EFFICIENTNET_LITE0.at_least == (256, 256)
    assert INCEPTION_V3.at_least == (299, 299)
