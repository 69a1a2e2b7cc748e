"""What the OpenAPI document says of this service beyond its routes and parameters."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint
from flask_openapi3.models.info import Info
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import TypeAdapter

from shared.json_forms import ProblemJson
from step3_microservices.gateway.documentation_pages import (
    STATUS,
    UNREAD,
    documentation_pages,
    json_of,
    problems,
    problems_told,
    text_of,
)
from step3_microservices.gateway.problems import (
    MediaTypeError,
    NotReadyError,
    RateLimitedError,
    RequestError,
    UnauthorizedError,
)
from step3_microservices.recommender.analytics_figures import AnalyticsJson
from step3_microservices.recommender.event_forms import MOST_EVENTS, AcceptedJson, Event, EventError, EventsBody
from step3_microservices.recommender.event_stream import EventsFullError
from step3_microservices.recommender.recommendation_forms import RecommendationsJson

INFO = Info(
    title="Recommender",
    version="1",
    description="Says what to show to whom. Errors are problem documents (RFC 9457) with a stable `code`.",
)
FOR_PROGRAMS = Tag(name="Recommendations", description="for slots and programs")
RESPONSES = Tag(name="Responses", description="what people did with what they were shown")
FOR_OPERATORS = Tag(name="Probes and figures", description="for whoever runs this")

_KINDS = (
    *(RequestError, EventError, MediaTypeError, UnauthorizedError, RateLimitedError),
    *(NotReadyError, EventsFullError),
)
_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS)
_OF_EVENTS = {
    HTTPStatus.BAD_REQUEST: "event_invalid, with the event and the field; nothing of the request is counted",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "media_type_unsupported",
    HTTPStatus.SERVICE_UNAVAILABLE: "not_ready, events_full: send them again later",
}
_OF_ANALYTICS = {HTTPStatus.BAD_REQUEST: "request_invalid", HTTPStatus.SERVICE_UNAVAILABLE: "not_ready"}
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
    "add_events": {
        "summary": "Report what was shown, clicked and dismissed",
        "description": f"From 1 to {MOST_EVENTS} events, or one alone. An event is counted once, however often it is "
        "sent. As text/plain it is read as JSON too: so `navigator.sendBeacon` sends it.",
        "responses": {
            202: AcceptedJson,
            **problems_told(_OF_EVENTS),
        },
    },
    "analytics": {
        "summary": "How often what was shown was clicked",
        "responses": {200: AnalyticsJson, **problems_told(_OF_ANALYTICS)},
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


def describe_events() -> dict[str, Any]:
    """Return what the OpenAPI document says of a request that brings events."""
    forms = [TypeAdapter(form).json_schema(ref_template="#/components/schemas/{model}") for form in (EventsBody, Event)]
    for form in forms:
        form.pop("$defs", None)
    forms[0]["properties"]["events"]["items"] = forms[1]
    content = {media_type: {"schema": {"anyOf": forms}} for media_type in ("application/json", "text/plain")}
    return {"openapi_extensions": {"requestBody": {"required": True, "content": content}}}


def documentation_blueprint(app: OpenAPI) -> Blueprint:
    """Return the pages: the OpenAPI document, Swagger UI on it, and the problem types in words."""
    return documentation_pages(app, (ProblemJson, RecommendationsJson), _KINDS)
