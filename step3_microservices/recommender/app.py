"""What to show to whom, from lists that were made beforehand: a question goes lookup -> fall-backs -> JSON.

Compared with the gateway's `app.py`: the same frame around another model. A request costs microseconds, so there is no
queue and no worker; instead the model is replaced while requests go on.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flask import Response, jsonify, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.openapi import OpenAPI
from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader

from shared.recommender.fallback import recommend
from step3_microservices.gateway.access import protect
from step3_microservices.gateway.documentation_pages import SECURITY_SCHEMES
from step3_microservices.gateway.problems import NotReadyError, explain_errors, invalid_parameters
from step3_microservices.gateway.request_figures import count_requests
from step3_microservices.gateway.request_log import log_requests
from step3_microservices.gateway.request_spans import trace_requests
from step3_microservices.recommender import documentation
from step3_microservices.recommender.analytics import analytics_api, analytics_page
from step3_microservices.recommender.analytics_figures import Analytics
from step3_microservices.recommender.artifact_stores import ArtifactStore
from step3_microservices.recommender.config import Config
from step3_microservices.recommender.documentation import describe
from step3_microservices.recommender.event_figures import StreamFigures
from step3_microservices.recommender.event_places import FewAtOnce
from step3_microservices.recommender.events import events_api
from step3_microservices.recommender.experiment import Experiment
from step3_microservices.recommender.metrics import Metrics
from step3_microservices.recommender.recommendation_forms import RecommendationsQuery
from step3_microservices.recommender.recommendations import Recommender
from step3_microservices.recommender.reload import Served
from step3_microservices.redis_client import connect

KEEP_LOOKING = "keep_looking"  # among the extensions: what keeps the artifact of a process up to date

_GATEWAY = Path(__file__).parents[1] / "gateway"  # whose styles and pages are this service's too


@dataclass(frozen=True)
class Service:
    """What the routes work with."""

    served: Served
    recommender: Recommender
    metrics: Metrics


def create_app(config: Config, store: ArtifactStore, metrics_folder: Path | None = None) -> OpenAPI:
    """Return the web application around the artifacts of that store, whether or not one is there yet."""
    app = OpenAPI(
        __name__,
        info=documentation.INFO,
        security_schemes=SECURITY_SCHEMES,
        doc_ui=False,
        validation_error_callback=invalid_parameters,
        validation_error_status=400,
        static_folder=_GATEWAY / "static",
    )
    pages = {"gateway": FileSystemLoader(_GATEWAY / "templates")}  # as what those of this service extend
    app.jinja_env.loader = ChoiceLoader([app.create_global_jinja_loader(), PrefixLoader(pages)])
    app.json.sort_keys = False  # type: ignore[attr-defined] # an answer reads best in the order it was written
    served = Served(store, config.cache)
    metrics = Metrics(served.manifest, metrics_folder)
    experiment = Experiment(config.experiment, config.control_share)
    places = max(1, 3 * config.threads // 4)
    stream = FewAtOnce(connect(config.redis_url), max_events=config.max_events, places=places)
    metrics.told_once.register(StreamFigures(stream))
    analytics = Analytics(config.analytics_database)
    service = Service(served, Recommender(experiment, config.blocked_items, metrics), metrics)

    log_requests(app)
    trace_requests(app)
    count_requests(app, metrics)
    explain_errors(app)
    protect(app, config, is_limited)

    app.register_api(api(service))
    app.register_api(events_api(stream, metrics.observe_events))
    app.register_api(analytics_api(analytics))
    app.register_api(probes(service))
    app.register_blueprint(analytics_page(analytics))
    app.register_blueprint(documentation.documentation_blueprint(app))
    # For each web process to begin with, which a thread of this one would not be in.
    app.extensions[KEEP_LOOKING] = partial(served.keep_looking, config.reload_interval_s, metrics.observe_version)
    return app


def api(service: Service) -> APIBlueprint:
    """Return the door for slots and programs."""
    door = APIBlueprint("api", __name__, abp_tags=[documentation.FOR_PROGRAMS])

    @door.get("/v1/recommendations", **describe("recommendations"))
    def recommendations(query: RecommendationsQuery) -> Response:
        response = jsonify(service.recommender.answer(query, service.served.artifact))
        response.headers["Cache-Control"] = "private, no-store"  # it is one user's, and each list has a name
        return response

    return door


def probes(service: Service) -> APIBlueprint:
    """Return the doors for whoever runs this: is it alive, is it ready, what does it count."""
    door = APIBlueprint("probes", __name__, abp_tags=[documentation.FOR_OPERATORS])

    @door.get("/livez", **describe("livez"))
    def livez() -> Response:
        return jsonify(status="alive")

    @door.get("/readyz", **describe("readyz"))
    def readyz() -> Response:
        artifact = service.served.artifact
        if not recommend(artifact, "nobody", None, 1):
            raise NotReadyError("The model recommends nothing.", "Train again, or go back to another version.", 5)
        return jsonify(status="ready", model_version=artifact.manifest.version)

    @door.get("/metrics", **describe("metrics"))
    def metrics() -> Response:
        return service.metrics.export()

    return door


def is_limited() -> bool:
    """Return whether this request needs a key, and counts against the limit: a beacon of events can bring no key."""
    return request.method in {"GET", "POST"} and request.path.startswith("/v1/") and request.path != "/v1/events"
