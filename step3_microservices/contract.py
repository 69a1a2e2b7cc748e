"""What gateway and worker say to each other: which work there is, which model does it, and what came of it.

Work travels as a Celery task that carries only identifiers; pictures, answers and the model's card lie in Redis, in the
forms that are defined here.
"""

import json
import struct
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from shared.classifier.labels import Label
from shared.classifier.predictions import ModelVersion
from shared.classifier.preprocess import Batch, Preprocessing
from shared.errors import ExplanationUnsupportedError

Floats = npt.NDArray[np.float32]

TASK = "classify"
INTERACTIVE, JOBS = "interactive", "jobs"  # the two queues
QUEUE_TTL_S = 24 * 3600  # a queue into which nobody has put anything for so long is forgotten
PICTURE_SHAPE = struct.Struct("<HHB")  # height, width, channels: what a picture's bytes in Redis begin with


class Work(NamedTuple):
    """One picture that waits for a model: the arguments of the Celery task, in their order."""

    digest: str  # of the model's input, which lies in Redis under it
    model_version: str  # the model that the input was made for
    explained: bool
    deadline: float  # Unix time, in seconds; after it nobody waits any more
    queued_at: float  # Unix time, in seconds
    traceparent: str
    job_id: str = ""  # empty where somebody waits for a reply

    @property
    def answer_key(self) -> str:
        """Name the answer: the same picture, model and question always have the same."""
        return answer_key(self.model_version, self.digest, explained=self.explained)

    @property
    def input_key(self) -> str:
        """Name where the model's input lies until it is answered."""
        return input_key(self.digest, self.job_id)


def input_key(digest: str, job_id: str = "") -> str:
    """Return the key under which a picture's input waits; a job has one of its own, however late it begins."""
    return f"input:{digest}:{job_id}" if job_id else f"input:{digest}"


def answer_key(model_version: str, digest: str, *, explained: bool) -> str:
    """Return the name under which an answer lies, and under which whoever waits for it is known."""
    return f"{model_version}:{digest}{':explained' * explained}"


@dataclass(frozen=True)
class ModelCard:
    """What a gateway must know of the model that answers: enough for all but `predict`."""

    version: ModelVersion
    preprocessing: Preprocessing
    labels: tuple[Label, ...]
    explainable: bool

    def check_explainable(self) -> None:
        """Raise ExplanationUnsupportedError where the network does not end as class activation maps need it."""
        if not self.explainable:
            raise ExplanationUnsupportedError

    @cached_property
    def json(self) -> str:
        """The card as it lies in Redis; a worker writes it once a second."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `json` has written."""
        fields: dict[str, Any] = json.loads(text)
        return cls(
            version=ModelVersion(**fields["version"]),
            preprocessing=Preprocessing.from_json(fields["preprocessing"]),
            labels=tuple(Label(**label) for label in fields["labels"]),
            explainable=fields["explainable"],
        )


@dataclass(frozen=True)
class Result:
    """What a worker found in one picture; from it a gateway makes the answer that its client has asked for.

    `probabilities` has the shape (classes,). `grid` is the best class's activation map, shape (rows, columns), where
    one was asked for. `predict_ms` is the time of the whole batch that the picture was in.
    """

    model_version: str
    probabilities: Floats
    predict_ms: float
    batch_size: int
    grid: Floats | None = None

    def pack(self) -> bytes:
        """Return it as it lies in Redis: a line of JSON, then the numbers."""
        grid = np.zeros((0, 0), np.float32) if self.grid is None else self.grid
        head = [self.model_version, len(self.probabilities), round(self.predict_ms, 3), self.batch_size, grid.shape]
        numbers = (np.ascontiguousarray(array, "<f4").tobytes() for array in (self.probabilities, grid))
        return b"".join((json.dumps(head).encode(), b"\n", *numbers))


@dataclass(frozen=True)
class Failure:
    """Why there is no result. `code` is one of the four below."""

    code: str

    def pack(self) -> bytes:
        """Return it as it lies in Redis."""
        return json.dumps({"code": self.code}).encode() + b"\n"


# The model was replaced by one that wants another input; the input is no longer there; the model failed; too late.
MODEL_CHANGED, INPUT_GONE, BROKEN, EXPIRED = "model_changed", "input_gone", "broken", "expired"


def unpack(packed: bytes) -> Result | Failure:
    """Read what either `pack` has written."""
    head, _, numbers = packed.partition(b"\n")
    fields = json.loads(head)
    if isinstance(fields, dict):
        return Failure(fields["code"])
    version, classes, predict_ms, batch_size, shape = fields
    floats = np.frombuffer(numbers, "<f4")
    grid = floats[classes:].reshape(shape) if shape[0] else None
    return Result(version, floats[:classes], predict_ms, batch_size, grid)


def pack_picture(batch: Batch) -> bytes:
    """Return one picture's model input, shape (1, height, width, 3), as it lies in Redis."""
    return PICTURE_SHAPE.pack(*batch.shape[1:]) + batch.tobytes()


def unpack_picture(packed: bytes) -> Batch:
    """Read what `pack_picture` has written."""
    height, width, channels = PICTURE_SHAPE.unpack_from(packed)
    return np.frombuffer(packed, np.uint8, offset=PICTURE_SHAPE.size).reshape(1, height, width, channels)
