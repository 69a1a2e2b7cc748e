"""What came of the recommendations: a page for people, drawn on the server, and the same figures as JSON."""

import base64
import hashlib
from pathlib import Path

from flask import Blueprint, Response, jsonify, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_openapi3.blueprint import APIBlueprint
from pydantic import ValidationError

from step3_microservices.gateway.problems import RequestError, problem_of
from step3_microservices.recommender.analytics_charts import day_chart, interval_line, percent, scale_of
from step3_microservices.recommender.analytics_figures import Analytics, AnalyticsQuery
from step3_microservices.recommender.documentation import RESPONSES, describe

_STYLE = Path(__file__).with_name("templates") / "analytics.css"
_COUNTRIES_SHOWN = 20


def analytics_api(analytics: Analytics) -> APIBlueprint:
    """Return the door for programs."""
    door = APIBlueprint("analytics", __name__, abp_tags=[RESPONSES])

    @door.get("/v1/analytics", **describe("analytics"))
    def figures(query: AnalyticsQuery) -> Response:
        response = jsonify(analytics.figures(query.days).model_dump(mode="json"))
        response.headers["Cache-Control"] = "no-store"
        return response

    return door


def analytics_page(analytics: Analytics) -> Blueprint:
    """Return the page: one document with everything in it, and a policy that lets nothing else in."""
    pages = Blueprint("analytics_page", __name__, template_folder="templates")
    style = _STYLE.read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'; "

    def render(**context: object) -> Response:
        drawn = {"interval_line": interval_line, "percent": percent, "day_chart": day_chart, "scale_of": scale_of}
        page = render_template("analytics.html", style=style, countries_shown=_COUNTRIES_SHOWN, **drawn, **context)
        response = make_response(page)
        response.headers["Content-Security-Policy"] = f"{policy}frame-ancestors 'none'"
        response.headers["Cache-Control"] = "no-store"
        return response

    @pages.get("/analytics")
    def show() -> ResponseReturnValue:
        try:
            query = AnalyticsQuery.model_validate(request.args.to_dict())
        except ValidationError as error:
            raise RequestError("`days` is a number from 1 to 366.", "Open /analytics without it.") from error
        return render(figures=analytics.figures(query.days), days=query.days)

    @pages.errorhandler(Exception)
    def explain(error: Exception) -> ResponseReturnValue:
        problem = problem_of(error)
        return render(problem=problem.to_json()), problem.status, problem.headers()

    return pages
