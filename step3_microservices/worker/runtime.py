"""What a worker asks for answers: an exported model run by OpenVINO, or anything else that has the same few methods.

`shared.classifier.keras_classifier.KerasClassifier` is such a thing as it is; compared with it, this here needs no
TensorFlow, a fifth of the time to start, and a fraction of the memory.
"""

import ctypes
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from shared.classifier.labels import Label
from shared.classifier.predictions import ModelVersion
from shared.classifier.preprocess import Batch, Preprocessing
from shared.errors import ExpectedError, ExplanationUnsupportedError, ModelOutputError
from step3_microservices.worker.artifacts import Artifact

Floats = npt.NDArray[np.float32]

# Each size of batch that a model has met costs it 10 to 15 MB for good; four at once are nearly as fast as eight.
BATCH_SIZES = (4, 1)

_NEEDS = {"float32": "FP32", "bfloat16": "BF16", "int8": "INT8"}  # OpenVINO's names for what a processor can do
_MADV_DONTNEED = 4  # Linux's number for it


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
        self._graph = artifact.folder / form.file
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": form.hint,
            "ENABLE_CPU_PINNING": False,  # two workers would be pinned to the same core
        }
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        core = _openvino().Core()
        self._request = core.compile_model(core.read_model(self._graph), "CPU", settings).create_infer_request()

    def warm_up(self, *, with_features: bool = False) -> None:  # noqa: ARG002 - they come with every answer
        """Answer grey pictures in every size of batch, then give back the memory that only this has taken.

        Raises ModelOutputError where the answer is not made of probabilities.
        """
        for count in BATCH_SIZES:
            grey = np.full((count, self.preprocessing.height, self.preprocessing.width, 3), 128, np.uint8)
            probabilities = self.predict(grey)
        if not ((probabilities >= 0) & (probabilities <= 1)).all():
            raise ModelOutputError(
                f"The model answers with numbers from {probabilities.min():.3g} to {probabilities.max():.3g}.",
                "Let it end in a softmax, so that it answers with probabilities.",
            )
        _forget_pages_of(self._graph.with_suffix(".bin"))
        _trim_heap()

    def predict(self, batch: Batch) -> Floats:
        """Return probabilities of shape (n, classes) for n preprocessed pictures; n may differ from call to call."""
        return self._answers(batch, 1)[0]

    def predict_with_features(self, batch: Batch) -> tuple[Floats, Floats]:
        """Return the probabilities and, of the same pass, the last feature maps, shape (n, rows, columns, channels).

        Raises ExplanationUnsupportedError like `check_explainable`.
        """
        self.check_explainable()
        probabilities, features = self._answers(batch, 2)
        return probabilities, features

    @cached_property
    def class_weights(self) -> Floats:
        """What each feature map says for each class: the dense layer's weights, shape (channels, classes)."""
        self.check_explainable()
        return self._artifact.class_weights

    def check_explainable(self) -> None:
        """Raise ExplanationUnsupportedError where the network does not end as class activation maps need it."""
        if not self._artifact.manifest.explainable:
            raise ExplanationUnsupportedError(
                "This model cannot be explained: it does not end in global average pooling and one dense layer.",
                "Ask for an answer without an explanation.",
            )

    def _answers(self, batch: Batch, outputs: int) -> list[Floats]:
        """Return the first so many outputs of the model for the whole batch."""
        batch = np.ascontiguousarray(batch)
        pieces: list[list[Floats]] = [[] for _ in range(outputs)]
        for start, count in _pieces(len(batch)):
            self._request.infer([batch[start : start + count]], share_inputs=True)
            for index, output in enumerate(pieces):
                # A copy: the request's own array is overwritten by the next one.
                output.append(self._request.get_output_tensor(index).data.copy())
        return [output[0] if len(output) == 1 else np.concatenate(output) for output in pieces]


def load_artifact(artifact: Artifact, precision: str = "auto", *, threads: int | None = None) -> OpenVinoClassifier:
    """Return the exported model in a precision, by default the fastest accepted one that this processor can do.

    Raises PrecisionError for one that was refused, with its figures, or that this processor has no arithmetic for.
    """
    forms = artifact.manifest.precisions
    abilities = _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    able = [name for name in forms if _NEEDS[name] in abilities]
    if precision == "auto":
        accepted = [name for name in able if forms[name].accepted]
        precision = max(accepted, key=lambda name: forms[name].images_per_s)
    _check(artifact, precision, able)
    return OpenVinoClassifier(artifact, precision, threads)


def _check(artifact: Artifact, precision: str, able: Sequence[str]) -> None:
    forms = artifact.manifest.precisions
    others = ", ".join(name for name, form in forms.items() if form.accepted and name in able)
    if precision not in forms:
        raise PrecisionError(f"There is no precision {precision!r}.", f"Choose auto or one of {others}.")
    if not forms[precision].accepted:
        raise PrecisionError(
            f"{artifact.manifest.model} was refused in {precision}: {forms[precision].reason}.",
            f"Choose auto or one of {others}; or export it again, calibrated on pictures of your own.",
        )
    if precision not in able:
        raise PrecisionError(f"This processor has no arithmetic for {precision}.", f"Choose auto or one of {others}.")


def _pieces(count: int) -> Iterator[tuple[int, int]]:
    """Divide that many pictures into batches of the sizes that are compiled: where each starts, and its size."""
    start = 0
    for size in BATCH_SIZES:
        while count - start >= size:
            yield start, size
            start += size


def _openvino() -> ModuleType:
    """Import OpenVINO without its converter, which brings front ends and telemetry: 15 MB, and a third of the time."""
    with _left_out("openvino.tools.ovc"):
        return import_module("openvino")  # only a process that runs an exported model pays for it


@contextmanager
def _left_out(module: str) -> Iterator[None]:
    """Let importing a module fail for a while, unless it is there already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment] # what Python documents for this
    try:
        yield
    finally:
        del sys.modules[module]


def _forget_pages_of(weights: Path) -> None:
    """Let go of the weights as they lie on disk: compiled, they are in memory a second time.

    OpenVINO keeps its mapping of the file; the system reads pages in again should it ever look at them.
    """
    with suppress(OSError, AttributeError):  # only Linux tells what is mapped where
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
            if line.endswith(str(weights.resolve())):
                start, end = (int(address, 16) for address in line.split(maxsplit=1)[0].split("-"))
                ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_DONTNEED)


def _trim_heap() -> None:
    with suppress(AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)
