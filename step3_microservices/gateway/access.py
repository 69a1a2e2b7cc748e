"""Who may ask, from where and how often: API keys, other origins (CORS), rate limits, and headers browsers heed."""

import hashlib
import hmac
import logging
from collections.abc import Callable
from math import ceil
from time import time

from flask import Flask, Response, g, request
from flask_cors import CORS
from limits import parse
from limits.errors import StorageError
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter
from werkzeug.middleware.proxy_fix import ProxyFix

from step3_microservices.gateway.problems import RateLimitedError, UnauthorizedError
from step3_microservices.gateway.web_settings import WebSettings

# Everything comes from here; pictures also from the page's own memory, where it draws and previews them.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_REDIS_TIMEOUTS = {"socket_connect_timeout": 1, "socket_timeout": 1}  # seconds; memory needs none and ignores them

_log = logging.getLogger(__name__)


def asks_for_work() -> bool:
    """Return whether this request costs a prediction; only those need a key and count against the limit."""
    return request.method == "POST"


def protect(app: Flask, config: WebSettings, is_limited: Callable[[], bool] = asks_for_work) -> None:
    """Put everything in this file before and after the app's requests, as far as the settings ask for it.

    `is_limited` says whether the request at hand needs a key, and counts against the limit.
    """
    if config.trusted_proxies:
        count = config.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]
    if config.cors_origins:
        CORS(
            app,
            resources={r"/v1/*": {"origins": list(config.cors_origins)}},
            expose_headers=["Retry-After", "X-Picture-Digest", "X-Trace-Id"],
        )
    if config.rate_limit:
        _limit_rate(app, config.rate_limit, config.rate_limit_storage, is_limited)
    if config.api_keys_sha256:
        _demand_key(app, config.api_keys_sha256, is_limited)

    _add_headers(app)


def presented_key() -> str:
    """Return the API key that came with the request: `Authorization: Bearer`, `X-API-Key`, or the page's form."""
    if request.endpoint == "page.answer":
        return request.form.get("api_key", "")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.headers.get("X-API-Key", "")


def is_known(key: str, hashes: tuple[str, ...]) -> bool:
    """Return whether the SHA-256 of the key is among the hashes, in a time that tells nothing about how near it is."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return sum(hmac.compare_digest(digest, known) for known in hashes) > 0  # `any` would stop at the first


def _demand_key(app: Flask, hashes: tuple[str, ...], is_limited: Callable[[], bool]) -> None:
    @app.before_request
    def check_key() -> None:
        if is_limited() and not is_known(presented_key(), hashes):
            raise UnauthorizedError(
                "This service asks for an API key, and none that it knows came with the request.",
                "Send it as the header `Authorization: Bearer KEY`, or enter it on the page.",
            )


def _limit_rate(app: Flask, rate: str, storage: str, is_limited: Callable[[], bool]) -> None:
    limit = parse(rate)
    limiter = MovingWindowRateLimiter(storage_from_string(storage, wrap_exceptions=True, **_REDIS_TIMEOUTS))

    @app.before_request
    def check_rate() -> None:
        client = request.remote_addr or "unknown"
        try:
            if not is_limited() or limiter.hit(limit, client):
                return
            wait_s = max(1, ceil(limiter.get_window_stats(limit, client).reset_time - time()))
        except StorageError as error:  # better to answer without counting than not at all
            reason = str(error.storage_error)
            _log.warning("not counted", extra={"fields": {"trace_id": g.trace_id, "reason": reason}})
            return
        detail = f"This address has asked more often than {limit}."
        raise RateLimitedError(detail, f"Wait {wait_s} s and ask again.", wait_s)


def _add_headers(app: Flask) -> None:
    @app.after_request
    def add_headers(response: Response) -> Response:
        given = {name.lower() for name, _ in response.headers}  # in one pass: `setdefault` goes through all of them
        response.headers.extend(
            [(name, value) for name, value in SECURITY_HEADERS.items() if name.lower() not in given]
        )
        if request.method == "POST":
            response.headers.setdefault("Cache-Control", "no-store")
        if request.is_secure:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        return response
