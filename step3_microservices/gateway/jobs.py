"""Jobs: a picture that nobody holds a connection open for. Its client gets an address, and comes back or listens."""

import hashlib
import secrets
from dataclasses import replace
from math import ceil
from time import time
from typing import Any, cast

from flask import g

from shared.classifier.images import ImageFacts
from shared.errors import ExpectedError
from step3_microservices.contract import ModelCard, Result, unpack
from step3_microservices.gateway.config import Config
from step3_microservices.gateway.documentation import ClassifyQuery, JobJson, Status
from step3_microservices.gateway.inference import Picture, RemoteModel, answer_of, error_of
from step3_microservices.gateway.problems import (
    DeadlineExceededError,
    IdempotencyKeyReusedError,
    JobNotFoundError,
    JobStartedError,
    problem_of,
)
from step3_microservices.job_store import CANCELLED, DONE, EXPIRED, FAILED, QUEUED, Job, JobStore
from step3_microservices.spans import traceparent_here


class Jobs:
    """What clients have left here to be done."""

    def __init__(self, config: Config, model: RemoteModel, store: JobStore) -> None:
        """Keep jobs in that store, and let that model do them."""
        self._config = config
        self._model = model
        self._store = store

    def submit(
        self,
        picture: Picture | ExpectedError,
        card: ModelCard,
        query: ClassifyQuery,
        idempotency: tuple[str, str] | None,
    ) -> Job:
        """Accept a picture; or return the job that the same key and request have made before.

        `idempotency` is the client's key, and the digest of its request. Raises what is wrong with the picture, and
        IdempotencyKeyReusedError, QueueFullError and NotReadyError.
        """
        if isinstance(picture, ExpectedError):
            raise picture
        known = {"size": picture.size, "facts": vars(picture.facts), "timings_ms": picture.timings_ms}
        asked = known | {"top_k": query.top_k, "explain": query.explain, "traceparent": traceparent_here(g.trace_id)}
        status, outcome = (DONE, picture.result.pack()) if picture.result else (QUEUED, None)
        deadline = time() + self._config.job_timeout_s
        job = Job(secrets.token_hex(16), status, picture.digest, asked, str(card.version), deadline, 0, None, outcome)
        packed = picture.input.packed if picture.input else None
        said = self._store.add(job, packed, idempotency=idempotency, max_queued=self._config.max_queued_jobs)
        if isinstance(said, int):
            raise self._model.full(said)
        if said is None:
            return self.find(job.job_id)
        first_id, _, request = said.partition(" ")
        if idempotency and request != idempotency[1]:
            raise IdempotencyKeyReusedError(
                "This Idempotency-Key came with another request before.", "Choose a new key for each request."
            )
        return self.find(first_id)

    def find(self, job_id: str) -> Job:
        """Return a job. Raises JobNotFoundError."""
        job = self._store.find(job_id)
        if job is None:
            raise self._unknown(job_id)
        if job.status == QUEUED and time() > job.deadline:
            self._store.end(job_id, EXPIRED, b"")
            return replace(job, status=EXPIRED)
        return job

    def cancel(self, job_id: str) -> Job:
        """Cancel a job that has not begun. Raises JobNotFoundError and JobStartedError."""
        status, _ = self._store.cancel(job_id)
        if not status:
            raise self._unknown(job_id)
        if status not in {QUEUED, CANCELLED}:
            raise JobStartedError(f"The job is {status} already.", "Ask for its answer instead.")
        return self.find(job_id)

    def to_json(self, job: Job) -> JobJson:
        """Return the JSON form of a job, with its answer, or with the problem that it ended with."""
        form: JobJson = {"job_id": job.job_id, "picture": job.digest, "status": cast("Status", job.status)}
        if job.position is not None:
            form["position"] = job.position
        outcome = unpack(job.outcome) if job.outcome else None
        if isinstance(outcome, Result):
            asked = job.asked
            timings_ms = {**asked["timings_ms"], "predict": outcome.predict_ms / outcome.batch_size}
            picture = Picture(tuple(asked["size"]), ImageFacts(**asked["facts"]), timings_ms)
            card = self._model.workers.card_of(outcome.model_version)
            form["answer"] = answer_of(outcome, card, picture, asked["top_k"]).to_json()
        elif job.status == FAILED and outcome:
            form["problem"] = problem_of(error_of(outcome)).to_json()
        elif job.status == EXPIRED:
            form["problem"] = problem_of(self._expired()).to_json()
        return form

    def _unknown(self, job_id: str) -> JobNotFoundError:
        hours = ceil(self._config.job_ttl_s / 3600)
        return JobNotFoundError(f"There is no job {job_id!r}.", f"A job is kept for {hours} h from its beginning.")

    def _expired(self) -> ExpectedError:
        detail = f"The job did not begin within {self._config.job_timeout_s:g} s."
        return DeadlineExceededError(detail, "Ask again when fewer people ask.")


def request_digest(image_bytes: bytes, query: ClassifyQuery) -> str:
    """Return what tells two requests apart that come with the same Idempotency-Key."""
    asked: dict[str, Any] = query.model_dump()
    return hashlib.sha256(f"{sorted(asked.items())}".encode() + image_bytes).hexdigest()


def scoped(key: str, client: str) -> str:
    """Return an Idempotency-Key as it is kept: each client has keys of its own."""
    return hashlib.sha256(f"{client}\0{key}".encode()).hexdigest()
