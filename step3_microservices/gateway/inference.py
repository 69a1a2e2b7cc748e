"""The model as a gateway sees it: its card, and workers behind a queue that answer within a deadline or not at all.

Compared with step 2's `served_model.py`: `predict` sends the picture away and waits. TensorFlow is nowhere near.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from math import ceil
from threading import Lock
from time import monotonic, time
from typing import Any, Self

from flask import g
from redis import Redis

from shared.classifier.explain import explanation_of
from shared.classifier.images import ImageFacts
from shared.classifier.labels import top_k
from shared.classifier.predictions import Answer, Explanation
from shared.classifier.preprocess import Batch
from shared.errors import ExpectedError
from step3_microservices.contract import (
    BROKEN,
    INPUT_GONE,
    MODEL_CHANGED,
    Failure,
    ModelCard,
    Result,
    Work,
    pack_picture,
)
from step3_microservices.gateway.problems import (
    DeadlineExceededError,
    ModelBrokenError,
    ModelChangedError,
    NotReadyError,
    QueueFullError,
)
from step3_microservices.presence import Worker, model_card, newest_first
from step3_microservices.spans import span, traceparent_here
from step3_microservices.store import Found, Question, Store
from step3_microservices.task_messages import TaskMessages

_LOOKED_UP_EVERY_S = 0.5
_RETRY_AFTER_S = 2


@dataclass(frozen=True)
class ModelInput:
    """A picture as the model wants it, under the digest of its bytes; `upload` names what it was made from."""

    digest: str
    packed: bytes
    upload: str | None
    known: dict[str, Any]  # what to remember of the upload beside its digest


@dataclass(frozen=True)
class Picture:
    """An upload on its way: ready for the model, or answered before, with what its answer will need again."""

    size: tuple[int, int]  # of what was decoded, in pixels
    facts: ImageFacts
    timings_ms: Mapping[str, float]
    input: ModelInput | None = None
    result: Result | None = None
    digest: str = ""  # of what the model sees of it


class Workers:
    """What is known of the workers, looked up at most twice a second."""

    def __init__(self, redis: Redis) -> None:
        """Look nothing up yet."""
        self._redis = redis
        self._lock = Lock()
        self._looked_up = float("-inf")
        self._found: list[Worker] = []
        self._cards: dict[str, ModelCard] = {}

    def found(self) -> list[Worker]:
        """Return the workers that are there, those with the newest model first."""
        with self._lock:
            if not self._found or monotonic() - self._looked_up > _LOOKED_UP_EVERY_S:
                self._found = newest_first(self._redis)
                self._looked_up = monotonic()
            return self._found

    def card(self) -> ModelCard:
        """Return the newest model's card. Raises NotReadyError where no worker is there."""
        found = self.found()
        if not found:
            raise NotReadyError("No worker is there to answer.", "Try again in a few seconds.", _RETRY_AFTER_S)
        return self.card_of(found[0].model_version)

    def card_of(self, model_version: str) -> ModelCard:
        """Return the card of a model that is, or has lately been, served."""
        if known := self._cards.get(model_version):
            return known
        card = model_card(self._redis, model_version)
        if card is None:
            raise NotReadyError("The model's card is not there.", "Try again in a few seconds.", _RETRY_AFTER_S)
        self._cards = {**dict(list(self._cards.items())[-3:]), model_version: card}
        return card

    def images_per_s(self) -> float:
        """Return how many pictures a second all workers together can predict, as far as it was measured."""
        return sum(worker.images_per_s for worker in self.found())


class RemoteModel:
    """Workers behind a queue, as one model that threads share."""

    def __init__(self, messages: TaskMessages, store: Store, *, max_queued: int, timeout_s: float) -> None:
        """Ask through that queue; `timeout_s` is how long one may wait for an answer."""
        self.store = store
        self.workers = Workers(store.redis)
        self._messages = messages
        self._max_queued = max_queued
        self._timeout_s = timeout_s
        self._salt: Callable[[], bytes] | None = None

    def afresh(self) -> Self:
        """Return the same model without its memory: each picture is answered by a worker."""
        forgetful = copy(self)
        forgetful._salt = partial(secrets.token_bytes, 16)
        return forgetful

    def upload_of(self, image_bytes: bytes, card: ModelCard) -> str | None:
        """Name an upload for the model that it is prepared for; None where nothing is remembered of it."""
        return f"{card.preprocessing}:{hashlib.sha256(image_bytes).hexdigest()}" if self.remembers else None

    def input_of(self, batch: Batch, upload: str | None, known: dict[str, Any]) -> ModelInput:
        """Make the input of one picture, shape (1, height, width, 3); `known` is remembered of its upload."""
        packed = pack_picture(batch)
        digest = hashlib.sha256(packed + self._salt() if self._salt else packed).hexdigest()
        return ModelInput(digest, packed, upload, known)

    @property
    def classifier(self) -> ModelCard:
        """The card of the model that answers: preprocessing, labels, version."""
        return self.workers.card()

    @property
    def remembers(self) -> bool:
        """Whether answers that were given before are looked for."""
        return self.store.caches and not self._salt

    def look_up(self, upload: str | None, card: ModelCard, *, explained: bool) -> Found:
        """Return what is known of an upload, and its result, where the same one was answered before.

        Raises QueueFullError where that is not so and no more pictures are taken: before they cost the time to decode
        them.
        """
        found = self.store.look_up(upload, str(card.version), explained=explained)
        if found.result is None and found.queued >= self._max_queued:
            raise self.full(found.queued)
        return found

    def predict(self, inputs: Sequence[ModelInput], card: ModelCard, *, with_features: bool) -> list[Result]:
        """Return what the model finds in each picture.

        Raises QueueFullError, ModelChangedError and ModelBrokenError, and DeadlineExceededError where no answer comes
        in time.
        """
        deadline = time() + self._timeout_s
        with span("ask"):
            asked = [self._ask(one, card, explained=with_features, deadline=deadline) for one in inputs]
        with span("wait"):
            return [one if isinstance(one, Result) else self._wait(one, deadline) for one in asked]

    def full(self, queued: int) -> QueueFullError:
        """Return the error that tells a client when there will be room."""
        rate = self.workers.images_per_s()
        wait_s = max(1, ceil(queued / rate)) if rate else _RETRY_AFTER_S
        detail = f"{queued} pictures wait already, and no more are taken."
        return QueueFullError(detail, f"Wait {wait_s} s and ask again.", wait_s)

    def _ask(self, one: ModelInput, card: ModelCard, *, explained: bool, deadline: float) -> Result | str:
        """Return the answer that is there already, or the name under which it will come."""
        reply = secrets.token_hex(12)
        work = Work(one.digest, str(card.version), explained, deadline, time(), traceparent_here(g.trace_id))
        ttl_s = max(0.001, deadline - time())
        question = Question(work, self._messages.of(work), one.packed, one.upload, one.known)
        asked = self.store.ask(question, reply, ttl_s=ttl_s, max_queued=self._max_queued)
        if asked.queued is not None:
            raise self.full(asked.queued)
        return asked.result or reply

    def _wait(self, reply: str, deadline: float) -> Result:
        while (left_s := deadline - time()) > 0:
            outcome = self.store.wait(reply, left_s)
            if isinstance(outcome, Result):
                return outcome
            if isinstance(outcome, Failure):
                raise error_of(outcome)
        detail = f"The model did not get to this picture within {self._timeout_s:g} s."
        raise DeadlineExceededError(detail, "Try again when fewer people ask.")


def answer_of(result: Result, card: ModelCard, picture: Picture, k: int) -> Answer:
    """Make the answer from what a worker has found in a picture."""
    predictions = top_k(result.probabilities, card.labels, k)
    explanation: Explanation | None = None
    if result.grid is not None:
        explanation = explanation_of(result.grid, predictions[0].class_index, card.preprocessing, picture.size)
    return Answer(predictions, card.version, picture.facts, picture.timings_ms, explanation)


def error_of(failure: Failure) -> ExpectedError:
    """Return what to tell a client whose picture a worker has not answered."""
    if failure.code in {MODEL_CHANGED, INPUT_GONE}:
        return ModelChangedError("The model was replaced while this picture waited.", "Ask again.", 1)
    if failure.code == BROKEN:
        return ModelBrokenError(
            "The model failed on this picture.", "Try another picture; tell whoever runs this service the trace id."
        )
    return DeadlineExceededError("The model did not get to this picture in time.", "Try again when fewer people ask.")
