"""The OpenAPI document, made from the routes, and pages that show it and the problem types without the internet."""

from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, NotRequired

import flask_openapi3_swagger
from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_openapi3.models.info import Info
from flask_openapi3.models.schema import Schema
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field, TypeAdapter
from typing_extensions import TypedDict  # Python 3.11's own cannot be turned into a JSON schema by Pydantic

from shared.classifier.image_types import PARSERS
from shared.json_forms import AnswerJson, ProblemJson, ResultsJson
from step3_microservices.gateway.feedback_forms import FeedbackJson
from step3_microservices.gateway.problems import MEDIA_TYPE, OTHER_PROBLEMS, STATUSES
from step3_microservices.gateway.status import StatusJson

INFO = Info(
    title="Image classifier",
    version="1",
    description="Says what pictures show. Errors are problem documents (RFC 9457) with a stable `code`.",
)
FOR_PROGRAMS = Tag(name="Pictures", description="for programs; people have the page")
FOR_OPERATORS = Tag(name="Probes and figures", description="for whoever runs this")
SECURITY_SCHEMES: Any = {"api_key": {"type": "http", "scheme": "bearer"}}

_SCHEMAS = "#/components/schemas/"
_BINARY = {"type": "string", "format": "binary"}
_SWAGGER_UI = Path(flask_openapi3_swagger.__file__).parent / "templates" / "swagger"


class ClassifyQuery(BaseModel, extra="forbid"):
    """The parameters of a classification."""

    top_k: int = Field(default=5, ge=1, le=1000, description="How many of the likeliest labels to give")
    explain: bool = Field(
        default=False, description="Whether to tell which part of the picture spoke for the best label"
    )

    @classmethod
    @cache
    def model_json_schema(cls, *given: Any, **named: Any) -> dict[str, Any]:  # type: ignore[override] # noqa: ANN401
        """Return the JSON schema, made once: flask-openapi3 asks for it in each request, for half a millisecond."""
        return super().model_json_schema(*given, **named)


class JobHeader(BaseModel):
    """What may come with a job."""

    idempotency_key: str | None = Field(
        default=None,
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="The same key and picture give the same job, however often they are sent",
    )


class JobPath(BaseModel):
    """Which job."""

    job_id: str = Field(description="As the service named it")


Status = Literal["queued", "running", "done", "failed", "expired", "cancelled"]


class JobJson(TypedDict):
    """A job: what has become of it, and, once it has ended, its answer or its problem."""

    job_id: str
    picture: str
    status: Status
    position: NotRequired[int]
    answer: NotRequired[AnswerJson]
    problem: NotRequired[ProblemJson]


def describe(operation: str) -> dict[str, Any]:
    """Return what the OpenAPI document says of an operation beyond its route and parameters."""
    return _OPERATIONS[operation] | {"operation_id": operation}


def describe_pictures(max_images: int) -> dict[str, Any]:
    """Return what the OpenAPI document says of a request that brings pictures."""
    images = {"type": "array", "minItems": 1, "maxItems": max_images, "items": _BINARY}
    form = {"type": "object", "required": ["image"], "properties": {"image": images}}
    media_types = [*(f"image/{kind.lower()}" for kind in PARSERS), "application/octet-stream"]
    content = {
        "multipart/form-data": {"schema": form},
        **{name: {"schema": _BINARY | {"minLength": 1}} for name in media_types},
    }
    return {"openapi_extensions": {"requestBody": {"required": True, "content": content}}}


def _problems(*statuses: HTTPStatus) -> dict[int, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": f"{_SCHEMAS}ProblemJson"}}}
    codes = {status: [kind.code for kind, its in STATUSES.items() if its == status] for status in statuses}
    return {
        status.value: {"description": f"{status.phrase}: {', '.join(codes[status])}", "content": content}
        for status in statuses
    }


def _json(*schemas: str) -> dict[str, Any]:
    references = [{"$ref": f"{_SCHEMAS}{name}"} for name in schemas]
    return {"application/json": {"schema": references[0] if len(references) == 1 else {"anyOf": references}}}


def _text(media_type: str, **schema: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"description": "OK", "content": {media_type: {"schema": schema}}}


_STATUS = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
# gunicorn refuses these by itself, and the app never sees them.
_UNREAD = {
    414: {"description": "The address is too long", "content": {"text/html": {"schema": {"type": "string"}}}},
    431: {"description": "The headers are too long", "content": {"text/html": {"schema": {"type": "string"}}}},
}
_NOT_OF_FEEDBACK = {
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_NOT_OF_JOBS = {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
_EVENT = {"type": "object", "properties": {"event": {"type": "string"}, "data": {"type": "string"}}}
_ABOUT_A_JOB = {
    200: {"description": "The job", "content": _json("JobJson")},
    **_problems(HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
}
_OPERATIONS: dict[str, dict[str, Any]] = {
    "classify": {
        "summary": "Say what pictures show",
        "description": "One picture gives one answer; several parts called `image` give a list of results, in which "
        "a bad picture does not fail the others.",
        "responses": {
            200: {
                "description": "The answer, or the results",
                "content": _json("AnswerJson", "ResultsJson"),
                "headers": {"X-Picture-Digest": {"schema": {"type": "string"}}},
            },
            **_problems(*sorted({*STATUSES.values()})),
            **_UNREAD,
        },
        "security": [{}, {"api_key": []}],
    },
    "add_job": {
        "summary": "Leave a picture, and come back for its answer",
        "responses": {
            202: {
                "description": "Accepted; Location is the job's address",
                "content": _json("JobJson"),
                "headers": {"Location": {"schema": {"type": "string"}}},
            },
            **_problems(*sorted({*STATUSES.values()} - _NOT_OF_JOBS)),
            **_UNREAD,
        },
        "security": [{}, {"api_key": []}],
    },
    "get_job": {"summary": "What has become of a job", "responses": _ABOUT_A_JOB},
    "cancel_job": {
        "summary": "Cancel a job that has not begun",
        "responses": _ABOUT_A_JOB | _problems(HTTPStatus.CONFLICT),
    },
    "job_events": {
        "summary": "Listen to a job, as server-sent events: queued with its position, running, and how it ended",
        "responses": {
            200: _text("text/event-stream", **_EVENT),
            **_problems(HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
        },
    },
    "add_feedback": {
        "summary": "Say that an answer is wrong, and what the picture shows",
        "description": "Whoever sends this gives the picture, as the model saw it, for the model's improvement: it is "
        "kept with the feedback if it is still here. Without feedback no picture is kept.",
        "responses": {
            200: {"description": "What was kept under this feedback_id before", "content": _json("FeedbackJson")},
            201: {"description": "What is kept", "content": _json("FeedbackJson")},
            **_problems(*sorted({*STATUSES.values()} - _NOT_OF_FEEDBACK)),
            **_UNREAD,
        },
        "security": [{}, {"api_key": []}],
    },
    "livez": {"summary": "Whether the process lives", "responses": {200: _text("application/json", **_STATUS)}},
    "readyz": {
        "summary": "Whether the model is loaded and answers a golden picture right",
        "responses": {200: _text("application/json", **_STATUS), **_problems(HTTPStatus.SERVICE_UNAVAILABLE)},
    },
    "metrics": {"summary": "Figures for Prometheus", "responses": {200: _text("text/plain", type="string")}},
    "status": {
        "summary": "How the service is now: queues, workers, latency, cache, problems",
        "responses": {
            200: {"description": "The figures", "content": _json("StatusJson")},
            **_problems(HTTPStatus.SERVICE_UNAVAILABLE),
        },
    },
}


def components() -> dict[str, Schema]:
    """Return the JSON schemas of what is sent, by their names."""
    forms: tuple[Any, ...] = (AnswerJson, FeedbackJson, JobJson, ProblemJson, ResultsJson, StatusJson)
    adapters: list[Any] = [(form.__name__, "serialization", TypeAdapter(form)) for form in forms]
    _, schemas = TypeAdapter.json_schemas(adapters, ref_template=_SCHEMAS + "{model}")
    return {name: Schema(**schema) for name, schema in schemas["$defs"].items()}


def documentation_blueprint(app: OpenAPI) -> Blueprint:
    """Return the pages: the OpenAPI document, Swagger UI on it, and the problem types in words."""
    pages = Blueprint("documentation", __name__, static_folder=_SWAGGER_UI, static_url_path="/docs/swagger")
    app.components_schemas.update(components())

    @pages.get("/openapi.json")
    def openapi() -> ResponseReturnValue:
        return _without_needless(app.api_doc)

    @pages.get("/docs")
    def docs() -> ResponseReturnValue:
        return render_template("docs.html")

    @pages.get("/docs/problems")
    def problem_types() -> ResponseReturnValue:
        kinds = [(kind.code, status, kind.__doc__) for kind, status in STATUSES.items()]
        return render_template("problems.html", kinds=[*kinds, *OTHER_PROBLEMS])

    return pages


def _without_needless(document: dict[str, Any]) -> dict[str, Any]:
    """Take out the errors that flask-openapi3 writes of doors that have no parameters to be wrong."""
    document["components"]["schemas"].pop("ValidationErrorModel", None)
    for path in document["paths"].values():
        for operation in path.values():
            if "application/json" in operation["responses"].get("400", {}).get("content", {}):
                operation["responses"].pop("400", None)
    return document
