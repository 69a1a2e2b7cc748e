"""What a worker asks for answers: an exported model run by OpenVINO, or anything else that has the same few methods.

`shared.classifier.keras_classifier.KerasClassifier` is such a thing as it is; compared with it, this here needs no
TensorFlow, a fifth of the time to start, and a fraction of the memory.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shared.classifier.labels import Label, check_probabilities
from shared.classifier.predictions import ModelVersion
from shared.classifier.preprocess import Batch, Preprocessing
from shared.errors import ExpectedError, ExplanationUnsupportedError
from step3_microservices.worker.artifacts import Artifact
from step3_microservices.worker.compiled_model import CompiledModel, is_supported

Floats = npt.NDArray[np.float32]


class PrecisionError(ExpectedError):
    """A precision is asked for that was refused when the model was exported, or that this processor lacks."""

    code = "precision_unavailable"


class Classifier(Protocol):
    """A model with everything that belongs to its answers. One thread at a time may ask it."""

    @property
    def preprocessing(self) -> Preprocessing:
        """What must happen to a picture before."""

    @property
    def labels(self) -> Sequence[Label]:
        """One for each class, in the order of the probabilities."""

    @property
    def version(self) -> ModelVersion:
        """Equal versions come from equal models."""

    @property
    def class_weights(self) -> Floats:
        """The last layer's weights, shape (channels, classes). Raises ExplanationUnsupportedError."""

    def predict(self, batch: Batch) -> Floats:
        """Return probabilities of shape (n, classes) for n pictures."""

    def predict_with_features(self, batch: Batch) -> tuple[Floats, Floats]:
        """Return the last feature maps too, (n, rows, columns, channels). Raises ExplanationUnsupportedError."""

    def check_explainable(self) -> None:
        """Raise ExplanationUnsupportedError where the model has no class activation maps."""

    def warm_up(self, *, with_features: bool = False) -> None:
        """Do all that only the first calls do. Raises ModelOutputError where no probabilities come out."""


class OpenVinoClassifier:
    """An exported model in one precision, compiled for this processor."""

    def __init__(self, artifact: Artifact, precision: str, threads: int | None = None) -> None:
        """Compile it; `threads` is how many cores one prediction uses, by default all of them."""
        self.preprocessing = artifact.preprocessing
        self.labels = artifact.labels
        self.version = artifact.version(precision)
        self._artifact = artifact
        form = artifact.manifest.precisions[precision]
        self._model = CompiledModel(artifact.folder / form.file, form.hint, threads)

    def warm_up(self, *, with_features: bool = False) -> None:  # noqa: ARG002 - features come with every answer
        """Answer grey pictures in every size of batch, so that no real one waits for what only the first call does.

        Raises ModelOutputError where the answer is not made of probabilities.
        """
        probabilities = self._model.warm_up(self.preprocessing.width, self.preprocessing.height)
        check_probabilities(probabilities)

    def predict(self, batch: Batch) -> Floats:
        """Return probabilities of shape (n, classes) for n preprocessed pictures; n may differ from call to call."""
        return self._model.answers(batch)[0]

    def predict_with_features(self, batch: Batch) -> tuple[Floats, Floats]:
        """Return the probabilities and, of the same pass, the last feature maps, shape (n, rows, columns, channels).

        Raises ExplanationUnsupportedError like `check_explainable`.
        """
        self.check_explainable()
        probabilities, features = self._model.answers(batch, 2)
        return probabilities, features

    @cached_property
    def class_weights(self) -> Floats:
        """What each feature map says for each class: the dense layer's weights, shape (channels, classes)."""
        self.check_explainable()
        return self._artifact.class_weights

    def check_explainable(self) -> None:
        """Raise ExplanationUnsupportedError where the network does not end as class activation maps need it."""
        if not self._artifact.manifest.explainable:
            raise ExplanationUnsupportedError


def load_artifact(artifact: Artifact, precision: str = "auto", *, threads: int | None = None) -> OpenVinoClassifier:
    """Return the exported model in a precision, by default the fastest accepted one that this processor can do.

    Raises PrecisionError for one that was refused, with its figures, or that this processor has no arithmetic for.
    """
    forms = artifact.manifest.precisions
    served = [name for name, form in forms.items() if form.accepted and is_supported(name)]
    if precision == "auto":
        precision = max(served, key=lambda name: forms[name].images_per_s)
    elif precision not in served:
        raise _refusal(artifact, precision, served)
    return OpenVinoClassifier(artifact, precision, threads)


def _refusal(artifact: Artifact, precision: str, served: Sequence[str]) -> PrecisionError:
    form = artifact.manifest.precisions.get(precision)
    remedy = f"Choose auto or one of {', '.join(served)}"
    if form is None:
        return PrecisionError(f"There is no precision {precision!r}.", f"{remedy}.")
    if form.accepted:
        return PrecisionError(f"This processor has no arithmetic for {precision}.", f"{remedy}.")
    return PrecisionError(
        f"{artifact.manifest.model} is not served in {precision}: {form.reason}.",
        f"{remedy}; or export it again, calibrated on pictures like those it will meet.",
    )
