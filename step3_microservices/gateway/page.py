"""The page for people: one screen, which also works without JavaScript, by a plain form that renders the answer."""

import base64
import io
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from flask import Blueprint, render_template, request, send_from_directory
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, NotFound

from shared.classifier.explain import HEAT_COLOURS, HOTTEST_COVER, lay_over
from shared.classifier.images import decode
from shared.classifier.predictions import Answer, Explanation
from shared.errors import ExpectedError
from shared.json_forms import AnswerJson
from step3_microservices.gateway.config import Config
from step3_microservices.gateway.decoding import DecodingPlaces
from step3_microservices.gateway.documentation import ClassifyQuery
from step3_microservices.gateway.golden import SAMPLES, Classify
from step3_microservices.gateway.problems import problem_of
from step3_microservices.gateway.uploads import Upload, read_uploads

# Where something may lie in a picture, for whoever does not see the heat map; rows from the top.
NINTHS = (
    ("in the upper left", "at the top", "in the upper right"),
    ("on the left", "in the middle", "on the right"),
    ("in the lower left", "at the bottom", "in the lower right"),
)
_SHOWN_SIZE = (800, 800)  # pixels; what a result's picture is reduced to


def page_blueprint(config: Config, classify: Classify, decoding: DecodingPlaces) -> Blueprint:
    """Return the page, the form behind it and the sample pictures."""
    pages = Blueprint("page", __name__)
    samples = sorted(path.name for path in SAMPLES.glob("*.jpg"))

    def render(**context: Any) -> str:  # noqa: ANN401 - whatever the template shows
        return render_template(
            "page.html",
            config=config,
            samples=samples,
            in_megabytes=lambda size: f"{size / 2**20:.3g}",
            heat_colours=HEAT_COLOURS,
            hottest_cover=HOTTEST_COVER,
            ninths=NINTHS,
            facts=_facts,
            **context,
        )

    @pages.get("/")
    def show() -> ResponseReturnValue:
        return render()

    @pages.post("/")
    def answer() -> ResponseReturnValue:
        sample = request.form.get("sample")
        uploads = [_sample(sample, samples)] if sample else read_uploads(request, config)
        results = classify(uploads, ClassifyQuery(explain=_is_explained()))
        with decoding.place():
            shown = [_shown(upload, result, config) for upload, result in zip(uploads, results, strict=True)]
        return render(results=shown, explained=_is_explained())

    @pages.get("/samples/<name>")
    def sample(name: str) -> ResponseReturnValue:
        return send_from_directory(SAMPLES, name if name in samples else "")

    @pages.errorhandler(Exception)
    def explain(error: Exception) -> ResponseReturnValue:
        problem = problem_of(error)
        return render(problem=problem.to_json(), explained=_is_explained()), problem.status, problem.headers()

    return pages


def _sample(name: str, names: Sequence[str]) -> Upload:
    if name not in names:
        raise NotFound("There is no sample picture of that name.")
    return Upload(name, (SAMPLES / Path(name).name).read_bytes())


def _is_explained() -> bool:
    try:
        return "explain" in request.form
    except (HTTPException, ExpectedError):  # a form that cannot be read, which is told elsewhere
        return False


def _shown(upload: Upload, result: Answer | ExpectedError, config: Config) -> dict[str, Any]:
    """Return what the template shows of one picture: its answer and itself, with its heat map if it has one."""
    if isinstance(result, ExpectedError):
        return {"name": upload.name, "problem": problem_of(result).to_json()}
    limits = {"max_bytes": config.max_image_bytes, "max_pixels": config.max_image_pixels}
    photograph = decode(upload.image_bytes, at_least=_SHOWN_SIZE, **limits).rgb
    photograph.thumbnail(_SHOWN_SIZE)
    where = None
    if result.explanation:
        photograph = lay_over(photograph, result.explanation)
        where = _where(result.explanation)
    file = io.BytesIO()
    photograph.save(file, "JPEG", quality=85)
    picture = f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
    return {"name": upload.name, "answer": result.to_json(), "picture": picture, "where": where}


def _where(explanation: Explanation) -> str:
    """Say in which ninth of the picture the hottest cell lies."""
    grid = np.asarray(explanation.grid)
    row, column = np.unravel_index(grid.argmax(), grid.shape)
    left, top, right, bottom = explanation.region
    x = left + (column + 0.5) / grid.shape[1] * (right - left)
    y = top + (row + 0.5) / grid.shape[0] * (bottom - top)
    return NINTHS[min(2, int(3 * y))][min(2, int(3 * x))]


def _facts(answer: AnswerJson) -> list[tuple[str, str]]:
    """Return, in words, which model answered, what was sent, and how long each stage took."""
    image = answer["image"]
    size = f"{image['width']} x {image['height']} {image['format']}, {ceil(image['bytes'] / 1024)} KiB"
    stages = [(stage, f"{duration:.1f} ms") for stage, duration in answer["timings_ms"].items()]
    return [("model", answer["model_version"]), ("picture", size), *stages]
