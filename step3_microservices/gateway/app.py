"""The same answer with the model elsewhere: an upload goes decode -> preprocess -> predict -> top_k -> JSON.

Compared with step 2's `app.py`: `predict` asks a worker through a queue, a picture that was answered before is not even
decoded, and there are jobs to come back for.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from time import perf_counter
from typing import Any, cast

from flask import Response, g, jsonify, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.openapi import OpenAPI

from shared.classifier.images import ImageFacts, decode
from shared.classifier.predictions import Answer
from shared.classifier.preprocess import preprocess
from shared.errors import ExpectedError, ImageError
from shared.json_forms import ResultJson
from step3_microservices.contract import ModelCard
from step3_microservices.gateway import documentation
from step3_microservices.gateway.access import protect
from step3_microservices.gateway.config import Config
from step3_microservices.gateway.decoding import DecodingPlaces
from step3_microservices.gateway.documentation import ClassifyQuery, describe, describe_pictures
from step3_microservices.gateway.documentation_pages import SECURITY_SCHEMES
from step3_microservices.gateway.feedback import feedback_api
from step3_microservices.gateway.golden import GoldenPicture
from step3_microservices.gateway.inference import Picture, RemoteModel, answer_of
from step3_microservices.gateway.job_doors import jobs_api
from step3_microservices.gateway.metrics import Metrics
from step3_microservices.gateway.page import page_blueprint
from step3_microservices.gateway.problems import ModelChangedError, explain_errors, invalid_parameters, problem_of
from step3_microservices.gateway.recommender_doors import recommender_doors
from step3_microservices.gateway.request_figures import count_requests
from step3_microservices.gateway.request_log import log_requests
from step3_microservices.gateway.request_spans import trace_requests
from step3_microservices.gateway.status import gather
from step3_microservices.gateway.status_doors import status_api, status_page
from step3_microservices.gateway.uploads import Upload, UploadRequest, read_uploads
from step3_microservices.job_store import JobStore
from step3_microservices.spans import span
from step3_microservices.store import Found


@dataclass(frozen=True)
class Service:
    """What the routes work with."""

    config: Config
    model: RemoteModel
    metrics: Metrics
    decoding: DecodingPlaces


def create_app(config: Config, model: RemoteModel, jobs: JobStore, metrics_folder: Path | None = None) -> OpenAPI:
    """Return the web application around a model that workers serve, whether or not one is there yet."""
    warnings.filterwarnings("ignore", module="PIL")  # what is wrong with a picture is told once, by its error
    app = OpenAPI(
        __name__,
        info=documentation.INFO,
        security_schemes=SECURITY_SCHEMES,
        doc_ui=False,
        validation_error_callback=invalid_parameters,
        validation_error_status=400,
    )
    app.request_class = UploadRequest
    app.json.sort_keys = False  # type: ignore[attr-defined] # an answer reads best in the order it was written
    app.config.update(MAX_CONTENT_LENGTH=config.max_body_bytes, MAX_FORM_PARTS=config.max_images + 16)
    metrics = Metrics(config, model.store.redis, metrics_folder)
    service = Service(config, model, metrics, DecodingPlaces(config.decoders, config.answer_timeout_s))

    log_requests(app)
    trace_requests(app)
    count_requests(app, service.metrics)
    explain_errors(app)
    protect(app, config)

    app.register_api(api(service))
    app.register_api(jobs_api(config, model, jobs, partial(prepare, service)))
    app.register_api(feedback_api(config, model, jobs))
    app.register_api(probes(service))
    status = partial(gather, model.store.redis, metrics)
    app.register_api(status_api(status))
    app.register_blueprint(status_page(status))
    app.register_api(recommender_doors(config))
    app.register_blueprint(page_blueprint(config, partial(classify, service), service.decoding))
    app.register_blueprint(documentation.documentation_blueprint(app))
    return app


def api(service: Service) -> APIBlueprint:
    """Return the door for programs."""
    door = APIBlueprint("api", __name__, abp_tags=[documentation.FOR_PROGRAMS])

    @door.post("/v1/classify", **describe("classify"), **describe_pictures(service.config.max_images))
    def classify_uploads(query: ClassifyQuery) -> Response:
        uploads = read_uploads(request, service.config)
        results = classify(service, uploads, query)
        if len(results) > 1:
            return jsonify(results=[named(upload, result) for upload, result in zip(uploads, results, strict=True)])
        if isinstance(results[0], ExpectedError):
            # An error that its own frame still held would keep the picture until the garbage collector comes.
            raise cast("ExpectedError", results.pop())
        return jsonify(results[0].to_json())

    @door.after_request
    def name_pictures(response: Response) -> Response:
        """Say by which digest feedback can name each picture; `-` where there is no answer to it."""
        if response.status_code == HTTPStatus.OK and "picture_digests" in g:  # a question for options is no picture
            response.headers["X-Picture-Digest"] = ", ".join(g.picture_digests)
        return response

    return door


def probes(service: Service) -> APIBlueprint:
    """Return the doors for whoever runs this: is it alive, is it ready, what does it count."""
    door = APIBlueprint("probes", __name__, abp_tags=[documentation.FOR_OPERATORS])
    golden = GoldenPicture(service.config)

    @door.get("/livez", **describe("livez"))
    def livez() -> Response:
        return jsonify(status="alive")

    @door.get("/readyz", **describe("readyz"))
    def readyz() -> Response:
        card = service.model.classifier
        golden.check(partial(classify_uncounted, replace(service, model=service.model.afresh())))
        return jsonify(status="ready", model_version=str(card.version))

    @door.get("/metrics", **describe("metrics"))
    def metrics() -> Response:
        return service.metrics.export()

    return door


def classify(service: Service, uploads: Sequence[Upload], query: ClassifyQuery) -> list[Answer | ExpectedError]:
    """Answer all pictures of a request in their order; a bad one gets its error, the rest their answers."""
    results = classify_uncounted(service, uploads, query)
    for result in results:
        service.metrics.observe(result)
    return results


def classify_uncounted(
    service: Service, uploads: Sequence[Upload], query: ClassifyQuery
) -> list[Answer | ExpectedError]:
    """Do so with pictures that are nobody's, and say nothing of what people send."""
    try:
        return classify_with(service.model.classifier, service, uploads, query)
    except ModelChangedError:  # while they waited; the new model may want another size
        return classify_with(service.model.classifier, service, uploads, query)


def classify_with(
    card: ModelCard, service: Service, uploads: Sequence[Upload], query: ClassifyQuery
) -> list[Answer | ExpectedError]:
    """Do so with one model."""
    if query.explain:
        card.check_explainable()
    pictures = [prepare(service, upload, card, query) for upload in uploads]
    g.picture_digests = [one.digest if isinstance(one, Picture) else "-" for one in pictures]
    answers = answer([one for one in pictures if isinstance(one, Picture)], card, service.model, query)
    return [next(answers) if isinstance(one, Picture) else one for one in pictures]


def prepare(service: Service, upload: Upload, card: ModelCard, query: ClassifyQuery) -> Picture | ExpectedError:
    """Decode and preprocess one picture; a bad one is reported in its place, and the rest go on."""
    config = service.config
    started = perf_counter()
    upload_name = service.model.upload_of(upload.image_bytes, card)
    found = service.model.look_up(upload_name, card, explained=query.explain)
    if service.model.remembers:
        service.metrics.observe_recall(found=found.known is not None)
    if found.known is not None:
        return recalled(found, perf_counter() - started)
    try:
        with service.decoding.place():
            started = perf_counter()
            with span("decode"):
                image = decode(
                    upload.image_bytes,
                    at_least=card.preprocessing.at_least,
                    max_bytes=config.max_image_bytes,
                    max_pixels=config.max_image_pixels,
                )
            decoded = perf_counter()
            with span("preprocess"):
                batch = preprocess(image.rgb, card.preprocessing)
        timings_ms = {"decode": (decoded - started) * 1e3, "preprocess": (perf_counter() - decoded) * 1e3}
    except ImageError as error:
        error.__cause__ = error.__context__ = None  # their frames hold the upload and what was decoded of it
        return error.with_traceback(None)
    known = {"size": image.rgb.size, "facts": asdict(image.facts)}
    model_input = service.model.input_of(batch, upload_name, known)
    return Picture(image.rgb.size, image.facts, timings_ms, input=model_input, digest=model_input.digest)


def recalled(found: Found, seconds: float) -> Picture:
    """Return a picture that was answered before: the timings are those of this request."""
    timings_ms = {"decode": 0.0, "preprocess": 0.0, "predict": seconds * 1e3}
    known: dict[str, Any] = found.known or {}
    facts = ImageFacts(**known["facts"])
    return Picture(tuple(known["size"]), facts, timings_ms, result=found.result, digest=known["digest"])


def answer(pictures: Sequence[Picture], card: ModelCard, model: RemoteModel, query: ClassifyQuery) -> Iterator[Answer]:
    """Let workers predict the pictures of a request; of the time, waiting included, each is told its share."""
    inputs = [picture.input for picture in pictures if picture.input]
    started = perf_counter()
    results = iter(model.predict(inputs, card, with_features=query.explain))
    predict_ms = (perf_counter() - started) * 1e3 / max(1, len(inputs))
    for picture in pictures:
        timed = replace(picture, timings_ms={**picture.timings_ms, "predict": predict_ms}) if picture.input else picture
        result = picture.result or next(results)
        answered_by = model.workers.card_of(result.model_version)  # where the model is being replaced, the new one
        yield answer_of(result, answered_by, timed, query.top_k)


def named(upload: Upload, result: Answer | ExpectedError) -> ResultJson:
    """Return one of several results: the picture's name as it was sent, and its answer or its problem."""
    if isinstance(result, ExpectedError):
        return {"name": upload.name, "problem": problem_of(result).to_json()}
    return {"name": upload.name, "answer": result.to_json()}
