"""The doors of events and analytics alone, behind gunicorn: `python -m tests.app.step3.events_service`.

So they can be tested, and measured, without a model and its lists.
"""

import logging.config
import os
from pathlib import Path

from flask import Blueprint, Flask, Response, jsonify
from flask_openapi3.models.schema import Schema
from flask_openapi3.openapi import OpenAPI
from gunicorn.app.base import BaseApplication
from pydantic import TypeAdapter

from shared.json_forms import ProblemJson
from step3_microservices.gateway.access import SECURITY_HEADERS
from step3_microservices.gateway.problems import explain_errors, invalid_parameters
from step3_microservices.gateway.request_log import log_requests
from step3_microservices.recommender.analytics import analytics_api, analytics_page
from step3_microservices.recommender.analytics_figures import Analytics
from step3_microservices.recommender.event_stream import EventStream
from step3_microservices.recommender.events import events_api
from step3_microservices.recommender.events_consumer import LOGGING
from step3_microservices.recommender.experiment import Experiment
from step3_microservices.redis_client import connect


def create_app(redis_url: str, database: str, *, max_events: int = 200_000) -> OpenAPI:
    app = OpenAPI(
        __name__,
        security_schemes={"api_key": {"type": "http", "scheme": "bearer"}},
        doc_ui=False,
        validation_error_callback=invalid_parameters,
        validation_error_status=400,
    )
    app.json.sort_keys = False
    app.config["MAX_CONTENT_LENGTH"] = 2**20
    log_requests(app)
    explain_errors(app)
    analytics = Analytics(database, Experiment())
    app.register_api(events_api(EventStream(connect(redis_url, max_connections=64), max_events=max_events)))
    app.register_api(analytics_api(analytics))
    app.register_blueprint(analytics_page(analytics))
    app.register_blueprint(documentation(app))

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return app


def documentation(app: OpenAPI) -> Blueprint:
    pages = Blueprint("documentation", __name__)

    app.components_schemas["ProblemJson"] = Schema(**TypeAdapter(ProblemJson).json_schema())

    @pages.get("/docs/problems")
    def problem_types() -> str:
        return ""

    @pages.get("/livez")
    def livez() -> Response:
        return jsonify(status="alive")

    @pages.get("/openapi.json")
    def openapi() -> Response:
        return jsonify(app.api_doc)

    return pages


class Server(BaseApplication):
    def load_config(self) -> None:
        settings = {
            "bind": f"127.0.0.1:{os.environ['PORT']}",
            "workers": int(os.environ.get("WEB_PROCESSES", "1")),
            "worker_class": "gthread",
            "threads": 8,
            "keepalive": 75,
            "worker_tmp_dir": "/dev/shm" if Path("/dev/shm").is_dir() else None,  # noqa: S108 - as the services have it
            "logconfig_dict": LOGGING | {"loggers": {"gunicorn.error": {"level": "INFO", "propagate": True}}},
            "control_socket_disable": True,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app(os.environ["REDIS_URL"], os.environ["ANALYTICS_DATABASE"])


if __name__ == "__main__":
    logging.config.dictConfig(LOGGING)
    Server().run()
