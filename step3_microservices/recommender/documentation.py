"""What the OpenAPI document says of this service beyond its routes and parameters."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint
from flask_openapi3.models.info import Info
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI

from shared.json_forms import ProblemJson
from step3_microservices.gateway.documentation_pages import (
    STATUS,
    UNREAD,
    documentation_pages,
    json_of,
    problems,
    text_of,
)
from step3_microservices.gateway.problems import (
    MediaTypeError,
    NotReadyError,
    RateLimitedError,
    RequestError,
    UnauthorizedError,
)
from step3_microservices.recommender.event_forms import EventError
from step3_microservices.recommender.event_stream import EventsFullError
from step3_microservices.recommender.recommendations import RecommendationsJson

INFO = Info(
    title="Recommender",
    version="1",
    description="Says what to show to whom. Errors are problem documents (RFC 9457) with a stable `code`.",
)
FOR_PROGRAMS = Tag(name="Recommendations", description="for slots and programs")
FOR_OPERATORS = Tag(name="Probes and figures", description="for whoever runs this")

_KINDS = (
    *(RequestError, EventError, MediaTypeError, UnauthorizedError, RateLimitedError),
    *(NotReadyError, EventsFullError),
)
_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS)
_OPERATIONS: dict[str, dict[str, Any]] = {
    "recommendations": {
        "summary": "Say what to show to a user",
        "description": "The user's own list, filled up by that of the country and then by that of all. Users of the "
        "experiment's control arm get what a stranger of their country gets.",
        "responses": {
            200: {"description": "The list", "content": json_of("RecommendationsJson")},
            **problems(*_REFUSALS, HTTPStatus.SERVICE_UNAVAILABLE),
            **UNREAD,
        },
        "security": [{}, {"api_key": []}],
    },
    "livez": {"summary": "Whether the process lives", "responses": {200: text_of("application/json", **STATUS)}},
    "readyz": {
        "summary": "Whether there is a model, and it answers",
        "responses": {200: text_of("application/json", **STATUS), **problems(HTTPStatus.SERVICE_UNAVAILABLE)},
    },
    "metrics": {"summary": "Figures for Prometheus", "responses": {200: text_of("text/plain", type="string")}},
}


def describe(operation: str) -> dict[str, Any]:
    """Return what the OpenAPI document says of an operation beyond its route and parameters."""
    return _OPERATIONS[operation] | {"operation_id": operation}


def documentation_blueprint(app: OpenAPI) -> Blueprint:
    """Return the pages: the OpenAPI document, Swagger UI on it, and the problem types in words."""
    return documentation_pages(app, (ProblemJson, RecommendationsJson), _KINDS)
