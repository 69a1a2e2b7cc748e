"""Errors as problem documents (RFC 9457): which status each gets, and that every one of them looks alike.

`type` is an address on this service that explains the `code`; `detail` says what happened and `remedy` what to do.
"""

import logging
from dataclasses import dataclass
from http import HTTPStatus

from flask import Flask, Response, g, json, url_for
from pydantic import ValidationError
from redis import RedisError
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge

from shared import errors
from shared.errors import ExpectedError
from shared.json_forms import ProblemJson

MEDIA_TYPE = "application/problem+json"

_log = logging.getLogger(__name__)


class RequestError(ExpectedError):
    """The request is not as the documentation says."""

    code = "request_invalid"


class ImageMissingError(RequestError):
    """No picture came with the request."""

    code = "image_missing"


class MediaTypeError(RequestError):
    """The body announces itself as something that is neither a picture nor a form."""

    code = "media_type_unsupported"


class UploadTimeoutError(ExpectedError):
    """The request took too long to arrive, or broke off."""

    code = "upload_timeout"


class UnauthorizedError(ExpectedError):
    """No API key, or one that is not known."""

    code = "unauthorized"


class RetryLaterError(ExpectedError):
    """Right request, wrong moment: `retry_after_s` seconds from now it may be answered."""

    def __init__(self, detail: str, remedy: str, retry_after_s: int) -> None:
        """Say what happened, what to do, and when."""
        super().__init__(detail, remedy)
        self.retry_after_s = retry_after_s


class RateLimitedError(RetryLaterError):
    """This client has asked too often."""

    code = "rate_limited"


class QueueFullError(RetryLaterError):
    """As many pictures wait as may wait."""

    code = "queue_full"


class StreamsFullError(RetryLaterError):
    """As many streams of events are open as may be; asking for the job itself still works."""

    code = "streams_full"


class NotReadyError(RetryLaterError):
    """No worker is there, the queue cannot be reached, or the model does not answer as it should."""

    code = "not_ready"


class ModelChangedError(NotReadyError):
    """The model was replaced by one that wants another input; asked again, the new one answers."""


class ModelBrokenError(ExpectedError):
    """The model failed on this picture."""

    code = "model_failed"


class DeadlineExceededError(ExpectedError):
    """The model was not free in time."""

    code = "deadline_exceeded"


class JobNotFoundError(ExpectedError):
    """There is no job of that id, or no longer."""

    code = "job_not_found"


class JobStartedError(ExpectedError):
    """The job has begun, or ended, and so cannot be cancelled."""

    code = "job_started"


class LabelUnknownError(ExpectedError):
    """The model has no such label."""

    code = "label_unknown"


class IdempotencyKeyReusedError(ExpectedError):
    """The same Idempotency-Key came with another request."""

    code = "idempotency_key_reused"


# The first class that fits counts. Also listed on the page that each problem's `type` leads to.
STATUSES: dict[type[ExpectedError], HTTPStatus] = {
    ImageMissingError: HTTPStatus.BAD_REQUEST,
    MediaTypeError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    RequestError: HTTPStatus.BAD_REQUEST,
    UnauthorizedError: HTTPStatus.UNAUTHORIZED,
    UploadTimeoutError: HTTPStatus.REQUEST_TIMEOUT,
    errors.ImageTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.NotAnImageError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.ImageTypeUnsupportedError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.ImageEmptyError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ImageTooManyPixelsError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ImageTruncatedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ImageUnreadableError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ExplanationUnsupportedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    IdempotencyKeyReusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    LabelUnknownError: HTTPStatus.UNPROCESSABLE_ENTITY,
    JobNotFoundError: HTTPStatus.NOT_FOUND,
    JobStartedError: HTTPStatus.CONFLICT,
    RateLimitedError: HTTPStatus.TOO_MANY_REQUESTS,
    StreamsFullError: HTTPStatus.TOO_MANY_REQUESTS,
    QueueFullError: HTTPStatus.TOO_MANY_REQUESTS,
    ModelBrokenError: HTTPStatus.INTERNAL_SERVER_ERROR,
    NotReadyError: HTTPStatus.SERVICE_UNAVAILABLE,
    DeadlineExceededError: HTTPStatus.GATEWAY_TIMEOUT,
}


# What no error of ours stands for, with the code and the meaning that the same page lists.
OTHER_PROBLEMS = (
    ("not_found", HTTPStatus.NOT_FOUND, "There is no such address here."),
    ("method_not_allowed", HTTPStatus.METHOD_NOT_ALLOWED, "The address is right, and the method is not."),
    ("internal_error", HTTPStatus.INTERNAL_SERVER_ERROR, "An error of the service itself; the log knows more."),
)


def status_of(kind: type[ExpectedError]) -> HTTPStatus:
    """Return the status that errors of this class get."""
    return next(status for listed, status in STATUSES.items() if issubclass(kind, listed))


@dataclass(frozen=True)
class Problem:
    """One problem document."""

    status: HTTPStatus
    code: str
    detail: str
    remedy: str
    retry_after_s: int | None = None

    def to_json(self) -> ProblemJson:
        """Return the document; `trace_id` finds the request in the log."""
        return {
            "type": url_for("documentation.problem_types", _anchor=self.code),
            "title": self.status.phrase,
            "status": self.status.value,
            "code": self.code,
            "detail": self.detail,
            "remedy": self.remedy,
            "trace_id": g.trace_id,
        }

    def to_response(self) -> Response:
        """Return the HTTP response."""
        return Response(json.dumps(self.to_json()), self.status, self.headers(), content_type=MEDIA_TYPE)

    def headers(self) -> dict[str, str]:
        """Return the headers that this status comes with."""
        if self.status == HTTPStatus.UNAUTHORIZED:
            return {"WWW-Authenticate": "Bearer"}
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


def problem_of(error: Exception) -> Problem:
    """Return what to tell a client of this error; one that nobody foresaw is logged, and told as no more than that."""
    if isinstance(error, ExpectedError):
        g.problem_code = error.code
        return Problem(
            status_of(type(error)), error.code, error.detail, error.remedy, getattr(error, "retry_after_s", None)
        )
    if isinstance(error, RedisError):
        _log.warning("Redis is not there", extra={"fields": {"trace_id": g.trace_id, "reason": str(error)}})
        return problem_of(NotReadyError("The queue cannot be reached.", "Try again in a few seconds.", 2))
    if isinstance(error, RequestEntityTooLarge):
        return problem_of(
            errors.ImageTooLargeError(
                "The request is larger, or in more parts, than the limit.", "Send fewer or smaller pictures."
            )
        )
    if isinstance(error, ClientDisconnected):  # by itself, or since the server has waited long enough
        remedy = "Send a smaller picture, or use a faster connection."
        return problem_of(UploadTimeoutError("The request did not arrive in time, or not whole.", remedy))
    if isinstance(error, HTTPException) and error.code is not None and error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
        status = HTTPStatus(error.code)
        g.problem_code = error.name.lower().replace(" ", "_")  # werkzeug's: Python's own names differ by its version
        return Problem(status, g.problem_code, f"{error.description}", "See /docs for what this service answers.")
    g.problem_code = "internal_error"
    _log.error("unforeseen", exc_info=error, extra={"fields": {"trace_id": g.trace_id}})
    detail = "Something went wrong here, and it was not your request."
    remedy = "Try again; if it stays, tell whoever runs this service the trace id."
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, g.problem_code, detail, remedy)


def explain_errors(app: Flask) -> None:
    """Let every error, of whatever kind and wherever raised, leave the app as a problem document."""

    @app.errorhandler(Exception)
    def explain(error: Exception) -> Response:
        response = problem_of(error).to_response()
        if isinstance(error, HTTPException):
            response.headers.extend(
                {name: value for name, value in error.get_headers() if name in {"Allow", "Location", "Content-Range"}}
            )
        return response


def invalid_parameters(error: ValidationError) -> Response:
    """Return the problem document for query parameters that Pydantic refused."""
    wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
    return problem_of(RequestError(f"The parameters are wrong: {wrong}.", "See /docs.")).to_response()
