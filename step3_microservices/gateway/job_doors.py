"""The doors for jobs: leave a picture, ask for it, listen to it, take it back."""

from collections.abc import Callable, Iterator, Sequence
from threading import BoundedSemaphore
from time import monotonic

from flask import Response, current_app, json, jsonify, request, stream_with_context, url_for
from flask_openapi3.blueprint import APIBlueprint

from shared.errors import ExpectedError
from step3_microservices.contract import ModelCard
from step3_microservices.gateway import documentation
from step3_microservices.gateway.access import presented_key
from step3_microservices.gateway.config import Config
from step3_microservices.gateway.documentation import ClassifyQuery, JobHeader, JobPath, describe, describe_pictures
from step3_microservices.gateway.inference import Picture, RemoteModel
from step3_microservices.gateway.jobs import Jobs, request_digest, scoped
from step3_microservices.gateway.problems import RequestError, StreamsFullError
from step3_microservices.gateway.uploads import Upload, read_uploads
from step3_microservices.job_store import JobStore

Prepare = Callable[[Upload, ModelCard, ClassifyQuery], Picture | ExpectedError]

_LOOKED_AT_EVERY_S = 1.0
_QUIET_S = 10.0  # after which a comment is sent, so that proxies keep the stream and a closed one is noticed
_STREAM_S = 60.0  # then the stream ends, and browsers begin another by themselves


def jobs_api(config: Config, model: RemoteModel, store: JobStore, prepare: Prepare) -> APIBlueprint:
    """Return the doors; `prepare` makes a picture of an upload, or says what is wrong with it."""
    door = APIBlueprint("jobs", __name__, abp_tags=[documentation.FOR_PROGRAMS])
    jobs = Jobs(config, model, store)
    streams = BoundedSemaphore(config.max_event_streams)

    @door.post("/v1/jobs", **describe("add_job"), **describe_pictures(1))
    def add_job(query: ClassifyQuery, header: JobHeader) -> Response:
        upload = one_of(read_uploads(request, config))
        card = model.classifier
        if query.explain:
            card.check_explainable()
        key = header.idempotency_key
        idempotency = (scoped(key, presented_key()), request_digest(upload.image_bytes, query)) if key else None
        job = jobs.submit(prepare(upload, card, query), card, query, idempotency)
        response = jsonify(jobs.to_json(job))
        response.status_code = 202
        response.headers["Location"] = url_for(".get_job", job_id=job.job_id)
        return response

    @door.get("/v1/jobs/<job_id>", **describe("get_job"))
    def get_job(path: JobPath) -> Response:
        return jsonify(jobs.to_json(jobs.find(path.job_id)))

    @door.delete("/v1/jobs/<job_id>", **describe("cancel_job"))
    def cancel_job(path: JobPath) -> Response:
        return jsonify(jobs.to_json(jobs.cancel(path.job_id)))

    @door.get("/v1/jobs/<job_id>/events", **describe("job_events"))
    def job_events(path: JobPath) -> Response:
        jobs.find(path.job_id)
        if not streams.acquire(blocking=False):
            raise StreamsFullError("As many streams as may be are open.", "Ask for the job itself instead.", 1)
        is_stopping = current_app.config.get("IS_STOPPING", bool)
        stream = stream_with_context(events(jobs, store, path.job_id, is_stopping))
        response = Response(stream, mimetype="text/event-stream")
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Accel-Buffering"] = "no"  # nginx would keep events back
        response.call_on_close(streams.release)
        return response

    return door


def one_of(uploads: Sequence[Upload]) -> Upload:
    """Return the only picture of a request. Raises RequestError where there are several."""
    if len(uploads) > 1:
        raise RequestError("A job is one picture.", "Send each picture as a job of its own.")
    return uploads[0]


def events(jobs: Jobs, store: JobStore, job_id: str, is_stopping: Callable[[], bool]) -> Iterator[str]:
    """Yield a job's state as server-sent events (WHATWG HTML, section 9.2), whenever it changes, until it has ended."""
    yield "retry: 1000\n\n"
    told, told_at, begun = "", monotonic(), monotonic()
    for job in store.watch(job_id, _LOOKED_AT_EVERY_S):
        if job is None:
            return
        event = f"event: {job.status}\ndata: {json.dumps(jobs.to_json(job))}\n\n"
        if event != told or monotonic() - told_at > _QUIET_S:
            yield event if event != told else ": still here\n\n"
            told, told_at = event, monotonic()
        if monotonic() - begun > _STREAM_S or is_stopping():
            return
