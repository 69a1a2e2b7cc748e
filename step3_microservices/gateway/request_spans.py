"""One span for each request, where spans are exported: everything else that a gateway measures is a part of it."""

from http import HTTPStatus

from flask import Flask, Response, g, request

from step3_microservices.spans import are_exported, first_span


def trace_requests(app: Flask) -> None:
    """Begin a span before each request and end it after; called after `log_requests`, which knows the trace id."""
    if not are_exported():
        return

    @app.before_request
    def begin() -> None:
        route = request.url_rule.rule if request.url_rule else "unknown"
        g.measured = first_span(f"{request.method} {route}", g.trace_id, request.headers.get("traceparent"))
        g.span = g.measured.__enter__()

    @app.after_request
    def end(response: Response) -> Response:
        from opentelemetry.trace import StatusCode  # noqa: PLC0415 - only imported where spans are exported

        if "span" in g:
            g.span.set_attribute("http.response.status_code", response.status_code)
            if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                g.span.set_status(StatusCode.ERROR)
        return response

    @app.teardown_request
    def leave(_error: BaseException | None) -> None:
        if measured := g.pop("measured", None):
            measured.__exit__(None, None, None)
