"""From work to answers: what still matters of a batch goes through the model in one call; each asker gets its part."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter, time
from typing import Any

import numpy as np

from shared.classifier.explain import class_grid
from shared.tracing import trace_id_from
from step3_microservices.contract import (
    BROKEN,
    EXPIRED,
    INPUT_GONE,
    MODEL_CHANGED,
    Failure,
    Floats,
    Result,
    Work,
    answer_key,
    unpack_picture,
)
from step3_microservices.job_store import DONE, FAILED, JobStore
from step3_microservices.job_store import EXPIRED as JOB_EXPIRED
from step3_microservices.spans import record_span
from step3_microservices.store import Store, Taken
from step3_microservices.worker.metrics import Metrics
from step3_microservices.worker.models import ServedModels
from step3_microservices.worker.runtime import Classifier

Outcome = tuple[Work, bytes, str | None]
"""Work, what is told to whoever waits for it, and the key that it is kept under if it is an answer."""

_DELIVERIES = 5  # of one picture again; one that ends the process each time must not do so for ever

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Call:
    """One call of the model, for log and figures: they come after the replies."""

    classifier: Classifier
    works: Sequence[Work]
    probabilities: Floats
    began: float  # Unix time, in seconds
    seconds: float


@dataclass(frozen=True)
class _Ready:
    """Work with all that its prediction needs."""

    work: Work
    picture: Any


class Inference:
    """Answers work. Whatever it raises is Redis's: then the work is not done, and has to be delivered again."""

    def __init__(self, store: Store, jobs: JobStore, models: ServedModels, metrics: Metrics) -> None:
        """Answer with those models, into those stores."""
        self._store = store
        self._jobs = jobs
        self._models = models
        self._metrics = metrics

    def answer(self, works: Mapping[Work, bool], taken: Mapping[Work, Taken]) -> None:
        """Answer each work, or say why not; with each goes whether it was delivered before, and what is here of it."""
        outcomes: list[Outcome] = []
        calls: list[_Call] = []
        for classifier, group in self._sorted(works, taken, outcomes):
            outcomes += self._predict(classifier, group, calls)
        # A failure is told to whoever waits for this very task; an answer, whoever asked first, to all.
        self._store.finish([outcome for outcome in outcomes if outcome[2] or not outcome[0].job_id])
        for work, packed, kept_under in outcomes:
            if work.job_id:
                self._end_job(work, packed, kept_under)
        for call in calls:
            self._tell(call)

    def _sorted(
        self, works: Mapping[Work, bool], taken: Mapping[Work, Taken], outcomes: list[Outcome]
    ) -> list[tuple[Classifier, list[_Ready]]]:
        """Return what goes into a model, in as few groups as possible; note down at once what does not need to."""
        groups: dict[tuple[int, bool], tuple[Classifier, list[_Ready]]] = {}
        for work, is_again in works.items():
            if not self._is_wanted(work, is_again, outcomes):
                continue
            found = taken[work]
            classifier = self._models.suiting(work.model_version)
            if found.answer is not None:
                outcomes.append((work, found.answer, work.answer_key))
            elif classifier is None:
                outcomes.append((work, Failure(MODEL_CHANGED).pack(), None))
            elif found.picture is None:
                outcomes.append((work, Failure(INPUT_GONE).pack(), None))
            else:
                group = groups.setdefault((id(classifier), work.explained), (classifier, []))
                group[1].append(_Ready(work, unpack_picture(found.picture)))
        return list(groups.values())

    def _is_wanted(self, work: Work, is_again: bool, outcomes: list[Outcome]) -> bool:
        """Return whether work is still to be done; note down why not."""
        failure = None
        if is_again:
            self._metrics.redelivered.inc()
            if self._store.count_delivery(work) > _DELIVERIES:
                failure = BROKEN
        if time() > work.deadline:
            self._metrics.expired.inc()
            failure = EXPIRED
        if failure:
            outcomes.append((work, Failure(failure).pack(), None))
            return False
        return not work.job_id or self._jobs.begin(work.job_id)

    def _predict(self, classifier: Classifier, group: Sequence[_Ready], calls: list[_Call]) -> list[Outcome]:
        began, started = time(), perf_counter()
        works = [ready.work for ready in group]
        grids: list[Floats | None] = [None] * len(group)
        try:
            batch = np.concatenate([ready.picture for ready in group])
            if works[0].explained:
                probabilities, features = classifier.predict_with_features(batch)
                for place, (maps, row) in enumerate(zip(features, probabilities, strict=True)):
                    grids[place] = class_grid(maps, classifier.class_weights, int(row.argmax()))
            else:
                probabilities = classifier.predict(batch)
        except Exception:  # noqa: BLE001 - told to whoever asked; the model goes on for the others
            ids = [trace_id_from(work.traceparent) for work in works]
            _log.exception("unforeseen", extra={"fields": {"trace_ids": ids}})
            return [(work, Failure(BROKEN).pack(), None) for work in works]
        seconds = perf_counter() - started
        calls.append(_Call(classifier, works, probabilities, began, seconds))
        version = str(classifier.version)
        return [
            (
                work,
                Result(version, row, seconds * 1e3, len(works), grid).pack(),
                answer_key(version, work.digest, explained=work.explained),
            )
            for work, row, grid in zip(works, probabilities, grids, strict=True)
        ]

    def _tell(self, call: _Call) -> None:
        version = str(call.classifier.version)
        self._metrics.observe_batch(len(call.works), call.seconds, version)
        for work, row in zip(call.works, call.probabilities, strict=True):
            queued_s = max(0.0, call.began - work.queued_at)
            self._metrics.observe_wait(queued_s, is_job=bool(work.job_id))
            record_span("queue", work.traceparent, work.queued_at, call.began)
            record_span("predict", work.traceparent, call.began, call.began + call.seconds, batch_size=len(call.works))
            fields = {
                "trace_id": trace_id_from(work.traceparent),
                "queued_ms": round(queued_s * 1e3, 2),
                "predict_ms": round(call.seconds * 1e3, 2),
                "batch_size": len(call.works),
            }
            if work.job_id:  # others are counted by the gateway, which knows those from the cache as well
                fields["job_id"] = work.job_id
                best = int(row.argmax())
                label = call.classifier.labels[best].text
                self._metrics.findings.observe(version, best, label, float(row[best]))
            _log.info("predicted", extra={"fields": fields})

    def _end_job(self, work: Work, packed: bytes, kept_under: str | None) -> None:
        status = DONE if kept_under else FAILED
        if packed == Failure(EXPIRED).pack():
            status = JOB_EXPIRED
        self._jobs.end(work.job_id, status, packed)
