"""The doors of the recommender, which answers behind this gateway: a page and what it recommends have one origin.

Requests go through as they are. Keys, rate limit, log and figures are the gateway's; where the recommender is down, or
hangs, that costs its own requests a short time, and never more than a few threads.
"""

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from threading import BoundedSemaphore
from typing import Any

from flask import Response, g, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from flask_openapi3.utils import parse_query
from pydantic import BaseModel
from urllib3 import BaseHTTPResponse, HTTPHeaderDict, PoolManager, Timeout
from urllib3.exceptions import HTTPError, ProtocolError
from werkzeug.exceptions import NotFound

from step3_microservices.gateway.config import Config
from step3_microservices.gateway.documentation_pages import UNREAD, problems, problems_told
from step3_microservices.gateway.problems import NotReadyError, RequestError
from step3_microservices.recommender.analytics_figures import AnalyticsQuery
from step3_microservices.recommender.documentation import describe, describe_events
from step3_microservices.recommender.event_forms import MOST_BYTES, EventError
from step3_microservices.recommender.event_stream import EventsFullError
from step3_microservices.recommender.recommendation_forms import RecommendationsQuery
from step3_microservices.spans import span, traceparent_here

_ANALYTICS_PATIENCE = 10  # times as long as for a slot: the figures are made of all events
_NO_RECOMMENDER = "There is no recommender behind this service: its setting RECOMMENDER_URL is not given."

RECOMMENDER = Tag(name="Recommender", description="what is recommended, and what people do with it")
_REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS)  # by this service, before it asks

_TO_RECOMMENDER = ("Accept", "Authorization", "Content-Type", "If-None-Match", "User-Agent", "X-API-Key")
# Those of one connection (RFC 9110, section 7.6.1), and what this service says by itself.
_NOT_TO_CLIENT = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding"),
    *("upgrade", "content-length", "date", "server", "x-trace-id"),
    *("access-control-allow-origin", "access-control-expose-headers"),
}


class RecommenderUnavailableError(NotReadyError):
    """The recommender does not answer; the classifier does."""

    code = "recommender_unavailable"


# What only these doors answer.
RECOMMENDER_PROBLEMS = (RecommenderUnavailableError, EventError, EventsFullError)


class Recommender:
    """The service at RECOMMENDER_URL: so many requests at once, on connections that are kept."""

    def __init__(self, config: Config) -> None:
        """Prepare; it connects when it is first asked."""
        self._address = (config.recommender_url or "").rstrip("/")
        self._places = BoundedSemaphore(config.max_recommender_requests)
        self._timeout_s = config.recommender_timeout_s
        self._pool = PoolManager(num_pools=1, maxsize=config.max_recommender_requests, retries=False)

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> BaseHTTPResponse:
        """Return its reply, whatever the status. Raises RecommenderUnavailableError where none comes in time."""
        if not self._places.acquire(blocking=False):
            raise _unavailable("As many requests as may be wait for the recommender.")
        try:
            with span("recommender"):
                return self._ask(method, path, headers, body)
        except HTTPError as error:
            raise _unavailable("The recommender does not answer.") from error
        finally:
            self._places.release()

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> BaseHTTPResponse:
        patience = _ANALYTICS_PATIENCE if "/analytics" in path.partition("?")[0] else 1
        options: dict[str, Any] = {
            "timeout": Timeout(total=patience * self._timeout_s),
            "redirect": False,
            "decode_content": False,
        }
        ask = partial(self._pool.request, method, self._address + path, body, headers=headers, **options)
        try:
            return ask()
        except ProtocolError:  # it has just closed a connection that was kept; an event may come twice
            return ask()


def recommender_doors(config: Config) -> APIBlueprint:
    """Return the doors; without a RECOMMENDER_URL each says that there is no recommender, and the document nothing."""
    doors = APIBlueprint("recommender", __name__, abp_tags=[RECOMMENDER], doc_ui=bool(config.recommender_url))
    recommender = Recommender(config)

    @doors.get("/v1/recommendations", endpoint="recommendations", **_asked("recommendations", RecommendationsQuery))
    @doors.get("/v1/analytics", endpoint="analytics", **_asked("analytics", AnalyticsQuery))
    @doors.get("/analytics", endpoint="analytics_page", doc_ui=False)
    @doors.post("/v1/events", endpoint="events", **_described("add_events"), **describe_events())
    def pass_through() -> Response:
        if not config.recommender_url:
            raise NotFound(_NO_RECOMMENDER)
        path = f"{request.path}?{request.query_string.decode('latin-1')}".rstrip("?")
        reply = recommender.ask(request.method, path, _headers_for_recommender(), _body())
        return Response(reply.data, reply.status, _headers_for_client(reply.headers))

    return doors


def _asked(operation: str, query: type[BaseModel]) -> dict[str, Any]:
    """Return what the document says of a question, whose parameters only the recommender checks."""
    return _described(operation) | {"openapi_extensions": {"parameters": parse_query(query)[0]}}


def _described(operation: str) -> dict[str, Any]:
    """Return what the recommender's document says of an operation, and what this service answers in its place."""
    told = describe(operation)
    unavailable = f"{told['responses'][503]['description']}; or {RecommenderUnavailableError.code}"
    own = problems(*_REFUSALS) | problems_told({HTTPStatus.SERVICE_UNAVAILABLE: unavailable}) | UNREAD
    return told | {"responses": told["responses"] | own, "security": [{}, {"api_key": []}]}


def _body() -> bytes:
    request.max_content_length = MOST_BYTES + 1  # a body of unknown length is cut there without a word
    too_long = (request.content_length or 0) > MOST_BYTES
    body = b"" if too_long else request.get_data(cache=False)
    if too_long or len(body) > MOST_BYTES:
        raise RequestError(f"Events may have {MOST_BYTES} bytes at once.", "Send fewer of them.")
    return body


def _headers_for_recommender() -> dict[str, str]:
    passed_on = {name: request.headers[name] for name in _TO_RECOMMENDER if name in request.headers}
    return passed_on | {"traceparent": traceparent_here(g.trace_id), "X-Forwarded-For": request.remote_addr or ""}


def _headers_for_client(headers: HTTPHeaderDict) -> list[tuple[str, str]]:
    dropped = _NOT_TO_CLIENT | {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    return [(name, value) for name, value in headers.items() if name.lower() not in dropped]


def _unavailable(detail: str) -> RecommenderUnavailableError:
    return RecommenderUnavailableError(detail, "Everything else works; try again in a few seconds.", 5)
