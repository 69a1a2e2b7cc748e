"""What the classifier answers, and its JSON form: the same words through every door of every step."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.classifier.images import ImageFacts
from shared.json_forms import AnswerJson, ExplanationJson, PredictionJson


@dataclass(frozen=True)
class Prediction:
    """One class the picture may show; `wnid` is its WordNet id, which only ImageNet's classes have."""

    class_index: int
    wnid: str | None
    label: str
    probability: float

    def to_json(self) -> PredictionJson:
        """Return it as JSON-ready values; six decimals are more than float32 arithmetic can promise."""
        return {
            "class_index": self.class_index,
            "wnid": self.wnid,
            "label": self.label,
            "probability": round(self.probability, 6),
        }


@dataclass(frozen=True)
class ModelVersion:
    """Everything that can change an answer: two answers with equal versions come from equal models."""

    model: str
    weights_sha256: str
    precision: str
    preprocessing: str

    def __str__(self) -> str:
        """Name it in one word for answers, cache keys and metrics."""
        return f"{self.model}/{self.weights_sha256[:12]}/{self.precision}/{self.preprocessing}"


@dataclass(frozen=True)
class Explanation:
    """A class activation map: how much each cell of a coarse grid speaks for `class_index`.

    `grid` has rows of numbers, whose mean plus the class's bias is its logit; `region` is the part of the picture that
    it covers, as fractions of width and height: left, top, right, bottom.
    """

    class_index: int
    grid: tuple[tuple[float, ...], ...]
    region: tuple[float, float, float, float]

    def to_json(self) -> ExplanationJson:
        """Return it as JSON-ready values, the grid to three decimals."""
        return {
            "class_index": self.class_index,
            "grid": [[round(value, 3) for value in row] for row in self.grid],
            "region": [round(edge, 6) for edge in self.region],
        }


@dataclass(frozen=True)
class Answer:
    """The whole answer to one picture: the likeliest classes first, who answered, about what, and how fast."""

    predictions: tuple[Prediction, ...]
    model_version: ModelVersion
    image: ImageFacts
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    explanation: Explanation | None = None

    def to_json(self) -> AnswerJson:
        """Return the answer as JSON-ready values; `explanation` is there only where one was asked for."""
        answer: AnswerJson = {
            "predictions": [prediction.to_json() for prediction in self.predictions],
            "model_version": str(self.model_version),
            "image": {
                "format": self.image.format,
                "width": self.image.width,
                "height": self.image.height,
                "bytes": self.image.byte_count,
            },
            "timings_ms": {stage: round(duration, 3) for stage, duration in self.timings_ms.items()},
        }
        if self.explanation is not None:
            answer["explanation"] = self.explanation.to_json()
        return answer
