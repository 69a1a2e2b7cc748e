"""A picture whose right answer is known: a service that does not give it must not be sent other people's pictures."""

from collections.abc import Callable, Sequence
from threading import Lock
from time import monotonic

from shared.classifier.predictions import Answer
from shared.errors import ExpectedError
from step3_microservices.gateway.config import Config
from step3_microservices.gateway.documentation import ClassifyQuery
from step3_microservices.gateway.problems import (
    DeadlineExceededError,
    ModelBrokenError,
    NotReadyError,
    QueueFullError,
)
from step3_microservices.gateway.uploads import Upload
from step3_microservices.golden_picture import CAT, REMEDY, wrong_answer
from step3_microservices.settings import ConfigError

Classify = Callable[[Sequence[Upload], ClassifyQuery], list[Answer | ExpectedError]]

SAMPLES = CAT.parent
# Probes come every few seconds from several sides, and each answer costs a prediction.
_TRUSTED_FOR_S = 10.0
_DOUBTED_FOR_S = 1.0
_RETRY_AFTER_S = 10


class GoldenPicture:
    """The picture, what may come first in its answer, and when it last did."""

    def __init__(self, config: Config) -> None:
        """Read the picture that the settings name, or the cat that every ImageNet model knows."""
        path = config.golden_image or CAT
        try:
            self._upload = Upload(path.name, path.read_bytes())
        except OSError as error:
            raise ConfigError(f"GOLDEN_IMAGE={path} cannot be read: {error.strerror}.", "Check the path.") from error
        self._labels = config.golden_labels
        self._is_the_cat = config.golden_image is None
        self._lock = Lock()
        self._verdict: tuple[str, str] | None = None
        self._holds_until = 0.0

    def check(self, classify: Classify) -> None:
        """Raise NotReadyError unless the picture is, or was a moment ago, answered right.

        Where no right label is known, as for a model of one's own without GOLDEN_LABELS, any answer will do.
        """
        if not self._lock.acquire(timeout=_DOUBTED_FOR_S):
            raise NotReadyError("The golden picture is still waiting for its answer.", "Try again.", _RETRY_AFTER_S)
        try:
            if monotonic() >= self._holds_until:
                self._verdict = self._ask(classify)
                self._holds_until = monotonic() + (_DOUBTED_FOR_S if self._verdict else _TRUSTED_FOR_S)
        finally:
            self._lock.release()
        if self._verdict:
            raise NotReadyError(*self._verdict, _RETRY_AFTER_S)

    def _ask(self, classify: Classify) -> tuple[str, str] | None:
        """Return what is wrong and what to do, or None where nothing is."""
        try:
            (result,) = classify([self._upload], ClassifyQuery())
        except QueueFullError:
            return self._verdict  # whoever has so much to do is at work; what was known of it still holds
        except (DeadlineExceededError, ModelBrokenError, NotReadyError) as error:
            return error.detail, error.remedy
        if isinstance(result, ExpectedError):
            return f"The golden picture is refused: {result.detail}", "Look at GOLDEN_IMAGE."
        wrong = wrong_answer(result.predictions[0], self._labels, is_the_cat=self._is_the_cat)
        return (wrong, REMEDY) if wrong else None
