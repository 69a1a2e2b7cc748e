"""What is kept of a picture between decoding and the answer."""

from dataclasses import dataclass

from PIL import Image

from shared.classifier.images import ImageFacts
from shared.classifier.preprocess import Batch


@dataclass(frozen=True)
class Picture:
    """A picture ready for the model, as a batch of one; with the photograph, where a heat map is to be laid over it."""

    name: str
    batch: Batch
    facts: ImageFacts
    timings_ms: dict[str, float]
    photograph: Image.Image | None
