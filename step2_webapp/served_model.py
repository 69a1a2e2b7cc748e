"""The model of this process: loaded after the fork, warmed and checked before anybody is answered, shared by threads.

TensorFlow does not survive a fork, so nothing here runs before `start`. One thread alone talks to the model: whatever
waits when the model becomes free is predicted in one call, which costs less than one call for each, and nobody waits
for a batch to fill.
"""

import logging
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from shared.classifier.preprocess import Batch
from step2_webapp.problems import DeadlineExceededError, NotReadyError

if TYPE_CHECKING:
    from shared.classifier.keras_classifier import KerasClassifier

Floats = npt.NDArray[np.float32]

_LOADING_S = 10  # what loading usually takes, and so when it is worth asking again

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Waiting:
    """Pictures that wait for the model, and where their answer goes: probabilities, and features if wanted."""

    batch: Batch
    with_features: bool
    answer: Future[tuple[Floats, Floats | None]] = field(default_factory=Future)


class ServedModel:
    """A classifier that threads share; asking it before it is ready raises NotReadyError."""

    def __init__(self, load: Callable[[], "KerasClassifier"], *, max_batch_size: int, timeout_s: float) -> None:
        """Prepare to serve what `load` returns, warmed up; `timeout_s` is how long one may wait for an answer."""
        self._load = load
        self._max_batch_size = max_batch_size
        self._timeout_s = timeout_s
        self._classifier: KerasClassifier | None = None
        self._queue: queue.SimpleQueue[_Waiting] = queue.SimpleQueue()

    def start(self, when_loading_fails: Callable[[Exception], None]) -> None:
        """Load in the background, then answer until the process ends."""
        Thread(target=self._run, args=(when_loading_fails,), name="model", daemon=True).start()

    @property
    def classifier(self) -> "KerasClassifier":
        """The loaded classifier, for what threads may read: preprocessing, labels, version, class weights."""
        if self._classifier is None:
            raise NotReadyError("The model is being loaded.", "Try again in a few seconds.", _LOADING_S)
        return self._classifier

    def predict(self, batch: Batch, *, with_features: bool = False) -> tuple[Floats, Floats | None]:
        """Return probabilities, shape (n, classes), and the last feature maps if asked for.

        Raises NotReadyError, and DeadlineExceededError where the model is not free in time.
        """
        _ = self.classifier
        waiting = _Waiting(batch, with_features)
        self._queue.put(waiting)
        try:
            return waiting.answer.result(self._timeout_s)
        except FutureTimeoutError as error:
            waiting.answer.cancel()
            detail = f"The model did not get to this picture within {self._timeout_s:g} s."
            raise DeadlineExceededError(detail, "Try again when fewer people ask.") from error

    def _run(self, when_loading_fails: Callable[[Exception], None]) -> None:
        try:
            classifier = self._load()
        except Exception as error:  # noqa: BLE001 - whatever it is, without a model there is nothing to serve
            when_loading_fails(error)
            return
        self._classifier = classifier
        _log.info("ready", extra={"fields": {"model_version": str(classifier.version)}})
        while True:
            self._answer(classifier, self._next_group())

    def _next_group(self) -> list[_Waiting]:
        """Wait for one, then take what else is there already, up to the largest batch."""
        group = [self._queue.get()]
        count = len(group[0].batch)
        while count < self._max_batch_size and not self._queue.empty():
            group.append(self._queue.get())
            count += len(group[-1].batch)
        return group

    def _answer(self, classifier: "KerasClassifier", group: Sequence[_Waiting]) -> None:
        for with_features in (False, True):
            alike = [one for one in group if one.with_features is with_features]
            alike = [one for one in alike if one.answer.set_running_or_notify_cancel()]
            if alike:
                self._predict_together(classifier, alike)

    def _predict_together(self, classifier: "KerasClassifier", group: Sequence[_Waiting]) -> None:
        """Predict in as few calls as the largest batch allows; hand each its rows, or the error that came up."""
        pictures = np.concatenate([one.batch for one in group])
        try:
            parts = [
                _predict(classifier, pictures[start : start + self._max_batch_size], group[0].with_features)
                for start in range(0, len(pictures), self._max_batch_size)
            ]
        except Exception as error:  # noqa: BLE001 - told to whoever asked; the model goes on for the others
            for one in group:
                one.answer.set_exception(error)
            return
        probabilities = np.concatenate([rows for rows, _ in parts])
        maps = [features for _, features in parts if features is not None]
        features = np.concatenate(maps) if maps else None
        end = 0
        for one in group:
            start, end = end, end + len(one.batch)
            one.answer.set_result((probabilities[start:end], None if features is None else features[start:end]))


def _predict(classifier: "KerasClassifier", batch: Batch, with_features: bool) -> tuple[Floats, Floats | None]:
    return classifier.predict_with_features(batch) if with_features else (classifier.predict(batch), None)
