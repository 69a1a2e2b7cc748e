"""The door for label feedback: a person says that an answer is wrong, and what the picture really shows.

Only then is anything kept of a picture: whoever sends feedback gives the picture, as the model saw it, for improvement.
Without feedback it is gone within minutes (see `store.py`).
"""

import io
import secrets
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING

from flask import Response, jsonify, request
from flask_openapi3.blueprint import APIBlueprint
from PIL import Image
from werkzeug.exceptions import RequestEntityTooLarge

from shared.classifier.labels import top_k
from shared.classifier.preprocess import Batch
from step3_microservices.contract import ModelCard, Result, unpack, unpack_picture
from step3_microservices.gateway import documentation
from step3_microservices.gateway.config import Config
from step3_microservices.gateway.documentation import describe
from step3_microservices.gateway.feedback_forms import FeedbackBody, FeedbackRecord, Predicted
from step3_microservices.gateway.inference import RemoteModel
from step3_microservices.gateway.problems import JobNotFoundError, LabelUnknownError, RequestError, problem_of
from step3_microservices.job_store import JobStore

if TYPE_CHECKING:
    from step3_microservices.gateway.feedback_store import FeedbackStore

_MAX_BODY_BYTES = 32 * 1024  # a comment of 2,000 characters, each written as an escape of 12 bytes, and the rest


def feedback_api(config: Config, model: RemoteModel, jobs: JobStore) -> APIBlueprint:
    """Return the door."""
    door = APIBlueprint("feedback", __name__, abp_tags=[documentation.FOR_PROGRAMS])
    feedback = Feedback(config.analytics_database, model, jobs)

    @door.before_request
    def limit_body() -> None:
        request.max_content_length = _MAX_BODY_BYTES

    @door.errorhandler(RequestEntityTooLarge)
    @door.errorhandler(RecursionError)  # brackets within brackets within brackets
    def refuse_body(_error: Exception) -> Response:
        detail = "The request is larger, or nested more deeply, than feedback can be."
        return problem_of(RequestError(detail, "See /docs.")).to_response()

    @door.post("/v1/feedback", **describe("add_feedback"))
    def add_feedback(body: FeedbackBody) -> Response:
        record, is_new = feedback.add(body)
        response = jsonify(record.to_json())
        response.status_code = 201 if is_new else 200
        return response

    return door


class Feedback:
    """What people have said of answers; the database is opened when the first of them does."""

    def __init__(self, database: str, model: RemoteModel, jobs: JobStore) -> None:
        """Keep it in the database at this URL."""
        self._database = database
        self._model = model
        self._jobs = jobs
        self._lock = Lock()
        self._opened: FeedbackStore | None = None

    def add(self, given: FeedbackBody) -> tuple[FeedbackRecord, bool]:
        """Keep what was said, once for each `feedback_id`; return what is kept, and whether it is new.

        Raises JobNotFoundError, LabelUnknownError, and NotReadyError where the database or every worker is gone.
        """
        store = self._store()
        if given.feedback_id and (kept := store.find(given.feedback_id)):
            return kept, False
        return store.add(self._record(given))

    def _store(self) -> "FeedbackStore":
        from step3_microservices.gateway.feedback_store import FeedbackStore  # noqa: PLC0415 - SQLAlchemy is large

        with self._lock:
            self._opened = self._opened or FeedbackStore(self._database)
            return self._opened

    def _record(self, given: FeedbackBody) -> FeedbackRecord:
        digest, result = self._answered(given)
        card = self._model.workers.card_of(result.model_version) if result else self._model.classifier
        packed = self._model.store.picture(digest)
        return FeedbackRecord(
            feedback_id=given.feedback_id or secrets.token_hex(16),
            picture=digest,
            label=given.label,
            class_index=_class_index(given.label, card),
            comment=given.comment,
            time=datetime.now(UTC),
            predicted=_predicted(result, card) if result else None,
            image_png=_png(unpack_picture(packed)) if packed else None,
        )

    def _answered(self, given: FeedbackBody) -> tuple[str, Result | None]:
        """Return the picture's digest, and what was found in it if that is still known."""
        if given.picture:
            return given.picture, self._model.store.answer(given.picture, str(self._model.classifier.version))
        job = self._jobs.find(given.job_id)
        if job is None:
            raise JobNotFoundError(f"There is no job {given.job_id!r}.", "Name the picture by its digest instead.")
        outcome = unpack(job.outcome) if job.outcome else None
        return job.digest, outcome if isinstance(outcome, Result) else None


def _class_index(label: str, card: ModelCard) -> int:
    for index, known in enumerate(card.labels):
        if known.text == label:
            return index
    raise LabelUnknownError(f"The model has no label {label!r}.", "Write it as the model's answers do.")


def _predicted(result: Result, card: ModelCard) -> Predicted:
    best = top_k(result.probabilities, card.labels, 1)[0]
    return Predicted(best.label, round(best.probability, 6), result.model_version)


def _png(batch: Batch) -> bytes:
    """Return a model input, shape (1, height, width, 3), as a file that keeps every pixel."""
    file = io.BytesIO()
    Image.fromarray(batch[0]).save(file, "PNG")
    return file.getvalue()
