"""Label feedback as it travels: what a client may say of an answer, and what is kept of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NotRequired, Self

from pydantic import BaseModel, Field, model_validator
from typing_extensions import TypedDict  # Python 3.11's own cannot be turned into a JSON schema by Pydantic

_WITHOUT_NUL = r"^[^\x00]*$"  # PostgreSQL keeps none in a text


def _say_which_are_left_out(schema: dict[str, Any]) -> None:
    """Say in the JSON schema what `FeedbackBody.names_one_answer` checks: a field left out is not one sent empty."""
    schema["oneOf"] = [{"required": ["job_id"]}, {"required": ["picture"]}]
    for name in ("job_id", "picture", "feedback_id"):
        del schema["properties"][name]["default"]


class FeedbackBody(BaseModel, extra="forbid", json_schema_extra=_say_which_are_left_out):
    """What a person says of an answer: which one it was, and what it should have been."""

    job_id: str = Field(
        default="", pattern="^[0-9a-f]{32}$", description="The job that was answered; either this or `picture`"
    )
    picture: str = Field(
        default="",
        pattern="^[0-9a-f]{64}$",
        description="The digest that came with the answer: X-Picture-Digest, or a job's `picture`",
    )
    label: str = Field(
        min_length=1,
        max_length=500,
        pattern=_WITHOUT_NUL,
        description="The right label: one of the model's, as its answers write them",
    )
    comment: str = Field(default="", max_length=2000, pattern=_WITHOUT_NUL, description="Whatever else there is to say")
    feedback_id: str = Field(
        default="",
        pattern="^[A-Za-z0-9_.:-]{1,64}$",
        description="A name of the client's own: feedback sent twice is kept once; without one, one is made",
    )

    @model_validator(mode="after")
    def names_one_answer(self) -> Self:
        """Refuse feedback that is about no answer, or about two."""
        if bool(self.job_id) == bool(self.picture):
            raise ValueError("give either job_id or picture")
        return self


class PredictedJson(TypedDict):
    """What the model had said."""

    label: str
    probability: float
    model_version: str


class FeedbackJson(TypedDict):
    """What is kept; `predicted` is there where the answer was still known, `has_picture` true where its picture was."""

    feedback_id: str
    picture: str
    label: str
    class_index: int
    comment: str
    time: str
    has_picture: bool
    predicted: NotRequired[PredictedJson]


@dataclass(frozen=True)
class Predicted:
    """The model's best guess."""

    label: str
    probability: float
    model_version: str


@dataclass(frozen=True)
class FeedbackRecord:
    """One person's word on one answer, as it is kept. `image_png` is the picture as the model saw it."""

    feedback_id: str
    picture: str
    label: str
    class_index: int
    comment: str
    time: datetime  # UTC
    predicted: Predicted | None = None
    image_png: bytes | None = None

    def to_json(self) -> FeedbackJson:
        """Return the JSON form, without the picture itself."""
        form: FeedbackJson = {
            "feedback_id": self.feedback_id,
            "picture": self.picture,
            "label": self.label,
            "class_index": self.class_index,
            "comment": self.comment,
            "time": self.time.isoformat(timespec="milliseconds"),
            "has_picture": self.image_png is not None,
        }
        if self.predicted:
            form["predicted"] = {
                "label": self.predicted.label,
                "probability": self.predicted.probability,
                "model_version": self.predicted.model_version,
            }
        return form
