"""The parts that OpenAPI documents are made of, and the pages that show one and the problem types without the internet.

The templates `docs.html` and `problems.html` are the app's own.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import flask_openapi3_swagger
from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_openapi3.models.schema import Schema
from flask_openapi3.openapi import OpenAPI
from pydantic import TypeAdapter

from shared.errors import ExpectedError
from step3_microservices.gateway.problems import MEDIA_TYPE, OTHER_PROBLEMS, STATUSES, status_of

SECURITY_SCHEMES: Any = {"api_key": {"type": "http", "scheme": "bearer"}}
# gunicorn refuses these by itself, and the app never sees them.
UNREAD = {
    414: {"description": "The address is too long", "content": {"text/html": {"schema": {"type": "string"}}}},
    431: {"description": "The headers are too long", "content": {"text/html": {"schema": {"type": "string"}}}},
}
STATUS = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}

_SCHEMAS = "#/components/schemas/"
_SWAGGER_UI = Path(flask_openapi3_swagger.__file__).parent / "templates" / "swagger"


def problems(*statuses: HTTPStatus) -> dict[int, Any]:
    """Return what the document says of these statuses: which codes have each."""
    codes = {status: [kind.code for kind, its in STATUSES.items() if its == status] for status in statuses}
    return problems_told({status: f"{status.phrase}: {', '.join(codes[status])}" for status in statuses})


def problems_told(told: Mapping[HTTPStatus, str]) -> dict[int, Any]:
    """Return the same in other words than the list of codes."""
    content = {MEDIA_TYPE: {"schema": {"$ref": f"{_SCHEMAS}ProblemJson"}}}
    return {status.value: {"description": text, "content": content} for status, text in told.items()}


def json_of(*schemas: str) -> dict[str, Any]:
    """Return what it says of a body that is one of these."""
    references = [{"$ref": f"{_SCHEMAS}{name}"} for name in schemas]
    return {"application/json": {"schema": references[0] if len(references) == 1 else {"anyOf": references}}}


def text_of(media_type: str, **schema: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return what it says of a good answer of that type."""
    return {"description": "OK", "content": {media_type: {"schema": schema}}}


def components(forms: Iterable[Any]) -> dict[str, Schema]:
    """Return the JSON schemas of what is sent, by their names."""
    adapters: list[Any] = [(form.__name__, "serialization", TypeAdapter(form)) for form in forms]
    _, schemas = TypeAdapter.json_schemas(adapters, ref_template=_SCHEMAS + "{model}")
    return {name: Schema(**schema) for name, schema in schemas["$defs"].items()}


def documentation_pages(app: OpenAPI, forms: Iterable[Any], kinds: Iterable[type[ExpectedError]]) -> Blueprint:
    """Return the pages: the OpenAPI document, Swagger UI on it, and the problem types in words."""
    pages = Blueprint("documentation", __name__, static_folder=_SWAGGER_UI, static_url_path="/docs/swagger")
    app.components_schemas.update(components(forms))

    @pages.get("/openapi.json")
    def openapi() -> ResponseReturnValue:
        return _without_needless(app.api_doc)

    @pages.get("/docs")
    def docs() -> ResponseReturnValue:
        return render_template("docs.html")

    @pages.get("/docs/problems")
    def problem_types() -> ResponseReturnValue:
        told = [(kind.code, status_of(kind), kind.__doc__) for kind in kinds]
        return render_template("problems.html", kinds=[*told, *OTHER_PROBLEMS])

    return pages


def _without_needless(document: dict[str, Any]) -> dict[str, Any]:
    """Take out the errors that flask-openapi3 writes of doors that have no parameters to be wrong."""
    document["components"]["schemas"].pop("ValidationErrorModel", None)
    for path in document["paths"].values():
        for operation in path.values():
            if "application/json" in operation["responses"].get("400", {}).get("content", {}):
                operation["responses"].pop("400", None)
    return document
