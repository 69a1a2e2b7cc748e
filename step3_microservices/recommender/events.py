"""The door for responses to recommendations: what a slot has shown, and what people did with it.

It only puts events into a stream, in one round trip to Redis; `events_consumer.py` writes them into the database.
"""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from flask import Response, jsonify, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, TypeAdapter
from werkzeug.exceptions import RequestEntityTooLarge

from step3_microservices.gateway.documentation_pages import problems_told
from step3_microservices.gateway.problems import MediaTypeError, RequestError, problem_of
from step3_microservices.recommender.event_forms import MOST_BYTES, MOST_EVENTS, Event, EventsBody, read_events
from step3_microservices.recommender.event_stream import EventStream

RESPONSES = Tag(name="Responses", description="what people did with what they were shown")

_MEDIA_TYPES = {"application/json", "text/plain", ""}  # a beacon of text needs no preflight from another origin


class AcceptedJson(BaseModel):
    """How many events will be counted; those that came before are not counted again."""

    accepted: int


def events_api(stream: EventStream, observe: Callable[[Sequence[Event]], None]) -> APIBlueprint:
    """Return the door; `observe` hears of all events that were accepted."""
    door = APIBlueprint("events", __name__, abp_tags=[RESPONSES])

    @door.before_request
    def limit_body() -> None:
        request.max_content_length = MOST_BYTES

    @door.errorhandler(RequestEntityTooLarge)
    def refuse_body(_error: Exception) -> Response:
        detail = f"The request is larger than {MOST_EVENTS} events can be."
        return problem_of(RequestError(detail, "Send fewer at once.")).to_response()

    @door.post("/v1/events", **_operation())
    def add_events() -> Response:
        if request.mimetype not in _MEDIA_TYPES:
            raise MediaTypeError(f"Events are no {request.mimetype}.", "Send them as application/json.")
        events = read_events(request.get_data(cache=False))
        stream.add(events)
        observe(events)
        response = jsonify(accepted=len(events))
        response.status_code = HTTPStatus.ACCEPTED
        return response

    return door


def _operation() -> dict[str, Any]:
    """Return what the OpenAPI document says."""
    forms = [TypeAdapter(form).json_schema(ref_template="#/components/schemas/{model}") for form in (EventsBody, Event)]
    for form in forms:
        form.pop("$defs", None)
    forms[0]["properties"]["events"]["items"] = forms[1]
    content = {media_type: {"schema": {"anyOf": forms}} for media_type in ("application/json", "text/plain")}
    told = {
        HTTPStatus.BAD_REQUEST: "event_invalid, with the event and the field; nothing of the request is counted",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "media_type_unsupported",
        HTTPStatus.SERVICE_UNAVAILABLE: "not_ready, events_full: send them again later",
    }
    return {
        "operation_id": "add_events",
        "summary": "Report what was shown, clicked and dismissed",
        "description": f"From 1 to {MOST_EVENTS} events, or one alone. An event is counted once, however often it is "
        "sent. As text/plain it is read as JSON too: so `navigator.sendBeacon` sends it.",
        "responses": {HTTPStatus.ACCEPTED.value: AcceptedJson, **problems_told(told)},
        "openapi_extensions": {"requestBody": {"required": True, "content": content}},
    }
