"""From any of Pillow's modes to RGB."""

import numpy as np
from PIL import Image


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB: transparency is laid over white, deep greys are scaled rather than clipped."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _scaled_grey(image).convert("RGB")
    if image.mode == "La":  # Pillow knows no direct way from premultiplied grey.
        image = image.convert("LA")
    if not image.has_transparency_data:
        image.load()
        return image if image.mode == "RGB" else image.convert("RGB")  # RGB to RGB would be a copy
    rgba = image.convert("RGBA")
    on_white = Image.new("RGB", image.size, (255, 255, 255))
    on_white.paste(rgba, mask=rgba)
    return on_white


def _scaled_grey(image: Image.Image) -> Image.Image:
    """Scale grey of 16 or 32 bits, or of fractions, to mode L.

    16 bits: 65535 is white. Otherwise the values decide: all within 0..1, 1 is white; all within 0..255, they stay;
    else the least is black and the greatest white. What is not finite counts as 0.
    """
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        grey = (values.astype(np.uint32) + 128) // 257
        grey[values == image.info.get("transparency", -1)] = 255
        return Image.fromarray(grey.astype(np.uint8))
    numbers = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
    low, high = float(numbers.min()), float(numbers.max())
    if low >= 0 and high <= 1:
        numbers *= 255
    elif low < 0 or high > 255:  # noqa: PLR2004 - the greatest value of 8 bits
        numbers = (numbers - low) * (255 / ((high - low) or 1))
    return Image.fromarray(numbers.round().astype(np.uint8))
