"""What every door of every step sends as JSON, field by field: answers, and problems (RFC 9457)."""

from typing import NotRequired

from typing_extensions import TypedDict  # Python 3.11's own cannot be turned into a JSON schema by Pydantic


class PredictionJson(TypedDict):
    """One class that the picture may show; `wnid` is null where the classes are not ImageNet's."""

    class_index: int
    wnid: str | None
    label: str
    probability: float


class ImageFactsJson(TypedDict):
    """What was sent: type, upright size in pixels, size in bytes."""

    format: str
    width: int
    height: int
    bytes: int


class ExplanationJson(TypedDict):
    """A class activation map: rows of cells, and the part of the picture (left, top, right, bottom) they cover."""

    class_index: int
    grid: list[list[float]]
    region: list[float]


class AnswerJson(TypedDict):
    """The answer to one picture; the likeliest class comes first, and each duration is in milliseconds."""

    predictions: list[PredictionJson]
    model_version: str
    image: ImageFactsJson
    timings_ms: dict[str, float]
    explanation: NotRequired[ExplanationJson]


class ProblemJson(TypedDict):
    """Why there is no answer: `code` for programs, `detail` and `remedy` for people, `trace_id` for the log."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    remedy: str
    trace_id: str


class ResultJson(TypedDict):
    """What became of one of several pictures: its name as it was sent, and either an answer or a problem."""

    name: str
    answer: NotRequired[AnswerJson]
    problem: NotRequired[ProblemJson]


class ResultsJson(TypedDict):
    """What became of several pictures, in the order in which they were sent."""

    results: list[ResultJson]
