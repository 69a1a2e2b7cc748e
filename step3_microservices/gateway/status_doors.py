"""The status page, and the door behind it: how the service is, for whoever runs it."""

from collections.abc import Callable

from flask import Blueprint, Response, jsonify, render_template
from flask.typing import ResponseReturnValue
from flask_openapi3.blueprint import APIBlueprint

from step3_microservices.gateway import documentation
from step3_microservices.gateway.documentation import describe
from step3_microservices.gateway.problems import problem_of
from step3_microservices.gateway.status import StatusJson, quantile

Gather = Callable[[], StatusJson]


def status_api(gather: Gather) -> APIBlueprint:
    """Return the door for programs, the script of the page among them."""
    door = APIBlueprint("status", __name__, abp_tags=[documentation.FOR_OPERATORS])

    @door.get("/v1/status", **describe("status"))
    def status() -> Response:
        response = jsonify(gather())
        response.headers["Cache-Control"] = "no-store"
        return response

    return door


def status_page(gather: Gather) -> Blueprint:
    """Return the page: a table of now, which its script keeps up to date and draws a history of."""
    pages = Blueprint("status_page", __name__)

    @pages.get("/status")
    def show() -> ResponseReturnValue:
        status = gather()
        return render_template("status.html", status=status, figures=figures(status))

    @pages.errorhandler(Exception)
    def explain(error: Exception) -> ResponseReturnValue:
        problem = problem_of(error)
        return render_template("status.html", problem=problem.to_json()), problem.status, problem.headers()

    return pages


def figures(status: StatusJson) -> list[tuple[str, str, str]]:
    """Return the lines of the table: what the script calls each, its name and its value in words."""
    queues, jobs = status["queues"], status["jobs"]
    share = f"{status['recalled'] / status['looked_up']:.0%}" if status["looked_up"] else "none"
    return [
        ("answered", "Requests answered", f"{status['answered']}"),
        ("median", "Half of them within", _milliseconds(quantile(status["latency"], 0.5))),
        ("slow", "95% of them within", _milliseconds(quantile(status["latency"], 0.95))),
        ("done", "Jobs done", f"{jobs['done']}"),
        ("undone", "Jobs failed, expired, cancelled", f"{jobs['failed']}, {jobs['expired']}, {jobs['cancelled']}"),
        ("recalled", "Pictures answered from the cache", share),
        ("interactive", "Interactive pictures waiting", f"{queues['interactive']['length']}"),
        ("jobs", "Jobs waiting", f"{queues['jobs']['length']}"),
        ("oldest", "The oldest has waited for", f"{max(queue['oldest_s'] for queue in queues.values()):.1f} s"),
    ]


def _milliseconds(duration_s: float | None) -> str:
    return "none" if duration_s is None else f"{duration_s * 1e3:.0f} ms"
