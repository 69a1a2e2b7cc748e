"""A picture whose right answer is known: what gateways ask again and again, and a model before it serves."""

from collections.abc import Sequence
from pathlib import Path

import shared
from shared.classifier.predictions import Prediction

SAMPLES = Path(next(iter(shared.__path__))) / "samples"
CAT = SAMPLES / "cat.jpg"  # whose answer every ImageNet model knows
REMEDY = "Look at the model's weights, labels and scaling."

_IMAGENET_CATS = ("tabby", "tiger cat", "Egyptian cat")


def wrong_answer(best: Prediction, labels: Sequence[str], *, is_the_cat: bool) -> str | None:
    """Say what is wrong where the best label is none of those that are right; None where nothing is.

    Where no right label is given, an ImageNet model must see the cat; of any other any answer will do.
    """
    is_imagenet = best.wnid is not None
    right = labels or (_IMAGENET_CATS if is_imagenet and is_the_cat else ())
    if not right or best.label in right:
        return None
    return f"The golden picture is answered with {best.label!r} instead of {' or '.join(right)}."
