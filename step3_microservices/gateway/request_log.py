"""One line for each request, and one trace id from the client through the log and back."""

import logging
from time import perf_counter

from flask import Flask, Response, g, request

from shared.tracing import trace_id_from

_log = logging.getLogger("requests")


def log_requests(app: Flask) -> None:
    """Take or make a trace id before a request; return it, and log the request, after it."""

    @app.before_request
    def begin() -> None:
        g.trace_id = trace_id_from(request.headers.get("traceparent"))
        g.logged_from = perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        response.headers["X-Trace-Id"] = g.trace_id
        fields = {
            "trace_id": g.trace_id,
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "duration_ms": round((perf_counter() - g.logged_from) * 1e3, 2),
            "client": request.remote_addr,
            "request_bytes": request.content_length,
        }
        if "problem_code" in g:
            fields["code"] = g.problem_code
        _log.info("request", extra={"fields": fields})
        return response
