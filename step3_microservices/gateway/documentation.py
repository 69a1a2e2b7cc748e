"""The OpenAPI document, made from the routes, and pages that show it and the problem types without the internet."""

from functools import cache
from http import HTTPStatus
from typing import Any, Literal, NotRequired

from flask import Blueprint
from flask_openapi3.models.info import Info
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field
from typing_extensions import TypedDict  # Python 3.11's own cannot be turned into a JSON schema by Pydantic

from shared.classifier.image_types import PARSERS
from shared.json_forms import AnswerJson, ProblemJson, ResultsJson
from step3_microservices.gateway.documentation_pages import (
    STATUS,
    UNREAD,
    documentation_pages,
    json_of,
    problems,
    text_of,
)
from step3_microservices.gateway.feedback_forms import FeedbackJson
from step3_microservices.gateway.problems import STATUSES
from step3_microservices.gateway.recommender_doors import RECOMMENDER_PROBLEMS
from step3_microservices.gateway.status import StatusJson
from step3_microservices.recommender.recommendation_forms import RecommendationsJson

INFO = Info(
    title="Image classifier",
    version="1",
    description="Says what pictures show. Errors are problem documents (RFC 9457) with a stable `code`.",
)
FOR_PROGRAMS = Tag(name="Pictures", description="for programs; people have the page")
FOR_OPERATORS = Tag(name="Probes and figures", description="for whoever runs this")

_BINARY = {"type": "string", "format": "binary"}


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


_NOT_OF_FEEDBACK = {
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_NOT_OF_JOBS = {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
_EVENT = {"type": "object", "properties": {"event": {"type": "string"}, "data": {"type": "string"}}}
_ABOUT_A_JOB = {
    200: {"description": "The job", "content": json_of("JobJson")},
    **problems(HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
}
_OPERATIONS: dict[str, dict[str, Any]] = {
    "classify": {
        "summary": "Say what pictures show",
        "description": "One picture gives one answer; several parts called `image` give a list of results, in which "
        "a bad picture does not fail the others.",
        "responses": {
            200: {
                "description": "The answer, or the results",
                "content": json_of("AnswerJson", "ResultsJson"),
                "headers": {"X-Picture-Digest": {"schema": {"type": "string"}}},
            },
            **problems(*sorted({*STATUSES.values()})),
            **UNREAD,
        },
        "security": [{}, {"api_key": []}],
    },
    "add_job": {
        "summary": "Leave a picture, and come back for its answer",
        "responses": {
            202: {
                "description": "Accepted; Location is the job's address",
                "content": json_of("JobJson"),
                "headers": {"Location": {"schema": {"type": "string"}}},
            },
            **problems(*sorted({*STATUSES.values()} - _NOT_OF_JOBS)),
            **UNREAD,
        },
        "security": [{}, {"api_key": []}],
    },
    "get_job": {"summary": "What has become of a job", "responses": _ABOUT_A_JOB},
    "cancel_job": {
        "summary": "Cancel a job that has not begun",
        "responses": _ABOUT_A_JOB | problems(HTTPStatus.CONFLICT),
    },
    "job_events": {
        "summary": "Listen to a job, as server-sent events: queued with its position, running, and how it ended",
        "responses": {
            200: text_of("text/event-stream", **_EVENT),
            **problems(HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
        },
    },
    "add_feedback": {
        "summary": "Say that an answer is wrong, and what the picture shows",
        "description": "Whoever sends this gives the picture, as the model saw it, for the model's improvement: it is "
        "kept with the feedback if it is still here. Without feedback no picture is kept.",
        "responses": {
            200: {"description": "What was kept under this feedback_id before", "content": json_of("FeedbackJson")},
            201: {"description": "What is kept", "content": json_of("FeedbackJson")},
            **problems(*sorted({*STATUSES.values()} - _NOT_OF_FEEDBACK)),
            **UNREAD,
        },
        "security": [{}, {"api_key": []}],
    },
    "livez": {"summary": "Whether the process lives", "responses": {200: text_of("application/json", **STATUS)}},
    "readyz": {
        "summary": "Whether the model is loaded and answers a golden picture right",
        "responses": {200: text_of("application/json", **STATUS), **problems(HTTPStatus.SERVICE_UNAVAILABLE)},
    },
    "metrics": {"summary": "Figures for Prometheus", "responses": {200: text_of("text/plain", type="string")}},
    "status": {
        "summary": "How the service is now: queues, workers, latency, cache, problems",
        "responses": {
            200: {"description": "The figures", "content": json_of("StatusJson")},
            **problems(HTTPStatus.SERVICE_UNAVAILABLE),
        },
    },
}


def documentation_blueprint(app: OpenAPI) -> Blueprint:
    """Return the pages: the OpenAPI document, Swagger UI on it, and the problem types in words."""
    forms = (AnswerJson, FeedbackJson, JobJson, ProblemJson, RecommendationsJson, ResultsJson, StatusJson)
    return documentation_pages(app, forms, (*STATUSES, *RECOMMENDER_PROBLEMS))
