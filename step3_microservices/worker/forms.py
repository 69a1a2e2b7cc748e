"""The forms in which a model may be served, each compared with its reference and timed: float32, bfloat16, int8."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.classifier.keras_classifier import KerasClassifier
from shared.classifier.native_logs import native_logs_held_back
from shared.classifier.preprocess import Batch
from shared.errors import ExpectedError
from step3_microservices.worker.calibration import Pictures
from step3_microservices.worker.compiled_model import CompiledModel, is_supported
from step3_microservices.worker.conversion import RECIPES, convert, quantise
from step3_microservices.worker.manifest import Parity, Precision, Thresholds
from step3_microservices.worker.parity import compare, refusal

Floats = npt.NDArray[np.float32]

_TIMED_CALLS = 30
_BATCH_SIZE = 8


class ParityError(ExpectedError):
    """Not even the float32 form of a model answers as its reference does."""

    code = "parity_refused"


def measured_forms(
    classifier: KerasClassifier,
    pictures: Pictures,
    folder: Path,
    thresholds: Thresholds,
    report: Callable[[str], None],
) -> dict[str, Precision]:
    """Write the graphs of a model into a folder, and return what can be said of each precision.

    Raises ParityError where float32 differs from the reference. The graph of a refused int8 is not kept.
    """
    report(f"Asking the reference about {len(pictures.parity)} pictures")
    gate = _Gate(pictures.parity, _answers(classifier.predict, pictures.parity), thresholds)
    report("Converting to float32")
    with native_logs_held_back():
        graph = convert(classifier)
    _save(graph, folder / "float32.xml")
    float32 = gate.judged(folder / "float32.xml", "f32")
    if not float32.accepted:
        raise ParityError(
            f"Converted, the model does not answer as before: {float32.reason}.",
            "Run it with TensorFlow (RUNTIME=tensorflow), and look for layers that OpenVINO treats differently.",
        )
    report("Trying bfloat16")
    bfloat16 = gate.judged(folder / "float32.xml", "bf16") if is_supported("bfloat16") else _UNTRIED
    for recipe in RECIPES:
        report(f"Quantising {recipe} to int8, by {len(pictures.calibration)} pictures")
        _save(quantise(graph, pictures.calibration, recipe), folder / "int8.xml")
        int8 = gate.judged(folder / "int8.xml", "f32")
        if int8.accepted:
            break
    else:
        for path in folder.glob("int8.*"):
            path.unlink()
    return _timed({"float32": float32, "bfloat16": bfloat16, "int8": int8}, folder, pictures.parity)


class _Gate:
    """The pictures on which each form must agree with the reference."""

    def __init__(self, inputs: Sequence[Batch], reference: Floats, thresholds: Thresholds) -> None:
        self._inputs = inputs
        self._reference = reference
        self._thresholds = thresholds

    def judged(self, graph: Path, hint: str) -> Precision:
        model = CompiledModel(graph, hint)
        parity = compare(_answers(lambda batch: model.answers(batch)[0], self._inputs), self._reference)
        reason = refusal(parity, self._thresholds)
        return Precision(graph.name, hint, 0, parity, not reason, reason)


_UNTRIED = Precision(
    "float32.xml", "bf16", 0, Parity(0, 0, 0, 0, 0), False, "the processor that exported it has no arithmetic for it"
)


def _answers(predict: Callable[[Batch], Floats], inputs: Sequence[Batch]) -> Floats:
    groups = [np.concatenate(inputs[start : start + _BATCH_SIZE]) for start in range(0, len(inputs), _BATCH_SIZE)]
    return np.concatenate([predict(group) for group in groups])


def _timed(forms: Mapping[str, Precision], folder: Path, inputs: Sequence[Batch]) -> dict[str, Precision]:
    """Say how fast each accepted form is, one picture at a time.

    They take turns, since a machine's speed drifts; the median, so that other work on it counts for little.
    """
    models = {name: CompiledModel(folder / form.file, form.hint) for name, form in forms.items() if form.accepted}
    durations: dict[str, list[float]] = {name: [] for name in models}
    for number in range(_TIMED_CALLS):
        for name, model in models.items():
            start = perf_counter()
            model.answers(inputs[number % len(inputs)])
            durations[name].append(perf_counter() - start)
    speeds = {name: round(1 / median(times), 1) for name, times in durations.items()}
    return {name: replace(form, images_per_s=speeds.get(name, 0)) for name, form in forms.items()}


def _save(graph: Any, path: Path) -> None:  # noqa: ANN401 - OpenVINO has no types
    # Weights rounded to float16 would be a precision of their own.
    import_module("openvino").save_model(graph, path, compress_to_fp16=False)
