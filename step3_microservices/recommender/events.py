"""The door for responses to recommendations: what a slot has shown, and what people did with it.

It only puts events into a stream, in one round trip to Redis; `events_consumer.py` writes them into the database.
"""

from collections.abc import Callable, Sequence
from http import HTTPStatus

from flask import Response, jsonify, request
from flask_openapi3.blueprint import APIBlueprint
from werkzeug.exceptions import RequestEntityTooLarge

from step3_microservices.gateway.problems import MediaTypeError, RequestError, problem_of
from step3_microservices.recommender.documentation import RESPONSES, describe, describe_events
from step3_microservices.recommender.event_forms import MOST_BYTES, MOST_EVENTS, Event, read_events
from step3_microservices.recommender.event_stream import EventStream

_MEDIA_TYPES = {"application/json", "text/plain", ""}  # a beacon of text needs no preflight from another origin


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

    @door.post("/v1/events", **describe("add_events"), **describe_events())
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
