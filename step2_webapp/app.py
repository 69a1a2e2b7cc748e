"""The same answer over HTTP: an upload goes decode -> preprocess -> predict -> top_k -> JSON.

Compared with step 1's `classify.py`: the model is loaded once for each process and not for each run, a file's name
becomes an upload, printing becomes a response, and an exit code becomes a status.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, cast

import numpy as np
from flask import Response, jsonify, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.openapi import OpenAPI

from shared.classifier.explain import explain
from shared.classifier.images import ImageFacts, decode
from shared.classifier.labels import top_k
from shared.classifier.predictions import Answer, Explanation
from shared.classifier.preprocess import Batch, preprocess
from shared.errors import ExpectedError, ImageError
from shared.json_forms import ResultJson
from step2_webapp import documentation
from step2_webapp.access import protect
from step2_webapp.config import Config
from step2_webapp.decoding import DecodingPlaces
from step2_webapp.documentation import ClassifyQuery, describe, describe_pictures
from step2_webapp.golden import GoldenPicture
from step2_webapp.metrics import Metrics, count_requests
from step2_webapp.page import page_blueprint
from step2_webapp.problems import explain_errors, invalid_parameters, problem_of
from step2_webapp.request_log import log_requests
from step2_webapp.served_model import ServedModel
from step2_webapp.uploads import Upload, UploadRequest, read_uploads

if TYPE_CHECKING:
    from shared.classifier.keras_classifier import KerasClassifier


@dataclass(frozen=True)
class Service:
    """What the routes work with."""

    config: Config
    model: ServedModel
    metrics: Metrics
    decoding: DecodingPlaces


@dataclass(frozen=True)
class Picture:
    """An upload on its way: ready for the model, with what its answer will need again."""

    batch: Batch
    size: tuple[int, int]  # of what was decoded, in pixels
    facts: ImageFacts
    timings_ms: dict[str, float]


def create_app(config: Config, model: ServedModel, metrics_folder: Path | None = None) -> OpenAPI:
    """Return the web application around a model, which may still be loading."""
    warnings.filterwarnings("ignore", module="PIL")  # what is wrong with a picture is told once, by its error
    app = OpenAPI(
        __name__,
        info=documentation.INFO,
        security_schemes=documentation.SECURITY_SCHEMES,
        doc_ui=False,
        validation_error_callback=invalid_parameters,
        validation_error_status=400,
    )
    app.request_class = UploadRequest
    app.json.sort_keys = False  # type: ignore[attr-defined] # an answer reads best in the order it was written
    app.config.update(MAX_CONTENT_LENGTH=config.max_body_bytes, MAX_FORM_PARTS=config.max_images + 16)
    service = Service(config, model, Metrics(metrics_folder), DecodingPlaces(config.decoders, config.answer_timeout_s))

    log_requests(app)
    count_requests(app, service.metrics)
    explain_errors(app)
    protect(app, config)

    app.register_api(api(service))
    app.register_api(probes(service))
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
        golden.check(partial(classify, service))
        return jsonify(status="ready", model_version=str(service.model.classifier.version))

    @door.get("/metrics", **describe("metrics"))
    def metrics() -> Response:
        return service.metrics.export()

    return door


def classify(service: Service, uploads: Sequence[Upload], query: ClassifyQuery) -> list[Answer | ExpectedError]:
    """Answer all pictures of a request in their order; a bad one gets its error, the rest their answers."""
    classifier = service.model.classifier
    if query.explain:
        classifier.check_explainable()
    pictures = [prepare(upload, classifier, service) for upload in uploads]
    answers = answer([one for one in pictures if isinstance(one, Picture)], service.model, query)
    results = [next(answers) if isinstance(one, Picture) else one for one in pictures]
    for result in results:
        service.metrics.observe(result)
    return results


def prepare(upload: Upload, classifier: "KerasClassifier", service: Service) -> Picture | ExpectedError:
    """Decode and preprocess one picture; a bad one is reported in its place, and the rest go on."""
    config = service.config
    try:
        with service.decoding.place():
            started = perf_counter()
            image = decode(
                upload.image_bytes,
                at_least=classifier.preprocessing.at_least,
                max_bytes=config.max_image_bytes,
                max_pixels=config.max_image_pixels,
            )
            decoded = perf_counter()
            batch = preprocess(image.rgb, classifier.preprocessing)
        timings_ms = {"decode": (decoded - started) * 1e3, "preprocess": (perf_counter() - decoded) * 1e3}
        return Picture(batch, image.rgb.size, image.facts, timings_ms)
    except ImageError as error:
        error.__cause__ = error.__context__ = None  # their frames hold the upload and what was decoded of it
        return error.with_traceback(None)


def answer(pictures: Sequence[Picture], model: ServedModel, query: ClassifyQuery) -> Iterator[Answer]:
    """Predict the pictures of a request in one call; of its time, waiting included, each is told its share."""
    if not pictures:
        return
    batch = np.concatenate([picture.batch for picture in pictures])
    started = perf_counter()
    probabilities, features = model.predict(batch, with_features=query.explain)
    predict_ms = (perf_counter() - started) * 1e3 / len(pictures)
    classifier = model.classifier
    for number, picture in enumerate(pictures):
        predictions = top_k(probabilities[number], classifier.labels, query.top_k)
        explanation: Explanation | None = None
        if features is not None:
            best = predictions[0].class_index
            explanation = explain(
                features[number], classifier.class_weights, best, classifier.preprocessing, picture.size
            )
        timings_ms = picture.timings_ms | {"predict": predict_ms}
        yield Answer(predictions, classifier.version, picture.facts, timings_ms, explanation)


def named(upload: Upload, result: Answer | ExpectedError) -> ResultJson:
    """Return one of several results: the picture's name as it was sent, and its answer or its problem."""
    if isinstance(result, ExpectedError):
        return {"name": upload.name, "problem": problem_of(result).to_json()}
    return {"name": upload.name, "answer": result.to_json()}
