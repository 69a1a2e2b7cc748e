"""Every failure a person can do something about, with a code that programs may rely on.

Which error belongs to which arrow of the pipeline::

    bytes ──decode──▶ image ──preprocess──▶ batch ──predict──▶ probabilities ──top_k──▶ answer
          ImageError                              ModelError

A code never changes its meaning once released. What happened is the `detail`, what to do about it is the
`remedy`; both are sentences for people and may be reworded.
"""

from typing import ClassVar


class ExpectedError(Exception):
    """A failure that is foreseen, explained to the person in front of it, and never shown as a stack trace."""

    code: ClassVar[str]

    def __init__(self, detail: str, remedy: str) -> None:
        """Say what happened (`detail`) and what to do next (`remedy`), each in whole sentences."""
        super().__init__(f"{detail} {remedy}")
        self.detail = detail
        self.remedy = remedy


class ImageError(ExpectedError):
    """The bytes given cannot become a picture."""


class ImageEmptyError(ImageError):
    """There is not a single byte."""

    code = "image_empty"


class ImageTooLargeError(ImageError):
    """More bytes than the limit."""

    code = "image_too_large"


class NotAnImageError(ImageError):
    """The bytes are something else: a document, a web page, an archive, noise."""

    code = "not_an_image"


class ImageTypeUnsupportedError(ImageError):
    """A picture, but of a type that is not read here."""

    code = "image_type_unsupported"


class ImageTooManyPixelsError(ImageError):
    """The header announces more pixels than the limit: a decompression bomb, or a very large picture."""

    code = "image_too_many_pixels"


class ImageTruncatedError(ImageError):
    """The picture begins well and ends too early, as after a broken upload."""

    code = "image_truncated"


class ImageUnreadableError(ImageError):
    """The type is known, but the contents are damaged."""

    code = "image_unreadable"


class ModelError(ExpectedError):
    """No model can answer."""


class ModelOptionsError(ModelError):
    """The model is named, or its options combined, in a way that cannot work."""

    code = "model_options_invalid"


class WeightsUnavailableError(ModelError):
    """The weights are neither here nor to be fetched."""

    code = "weights_unavailable"


class WeightsDamagedError(ModelError):
    """The weights file is not what it should be: cut short, altered, or made for another model."""

    code = "weights_damaged"


class LabelsMismatchError(ModelError):
    """The labels file and the model disagree."""

    code = "labels_mismatch"


class ModelOutputError(ModelError):
    """The model loads, but what it answers are not probabilities."""

    code = "model_output_invalid"


class ExplanationUnsupportedError(ModelError):
    """The model's last layers do not allow an exact class activation map."""

    code = "explanation_unsupported"

    def __init__(self) -> None:
        """Say what the network lacks."""
        super().__init__(
            "This model cannot be explained: it does not end in global average pooling and one dense layer.",
            "Ask for an answer without an explanation.",
        )


class ArtifactError(ExpectedError):
    """What a training or an export has left is missing, damaged, or of a format that is not known here."""

    code = "artifact_invalid"
