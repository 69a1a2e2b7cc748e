"""Which container images are deployed: those that `make push` has pushed, each named by its digest, never by a tag."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from step5_orchestration.deploy.errors import ContainerImagesError

PUSHED = Path(".data/images.json")

_REVISION = re.compile(r"[0-9a-f]{12}")
_BY_DIGEST = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class ContainerImages:
    """One push: the git revision it was made from, and each container image by its short name."""

    revision: str
    by_name: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        """Return `REGISTRY/NAME@sha256:...`. Raises ContainerImagesError where there is no such container image."""
        try:
            return self.by_name[name]
        except KeyError:
            raise ContainerImagesError(
                f"The last push had no container image {name!r}, only {', '.join(sorted(self.by_name))}.",
                "Push all of them: make push.",
            ) from None


def read_container_images(path: Path = PUSHED) -> ContainerImages:
    """Read what was pushed. Raises ContainerImagesError where nothing was, or the file is not what a push writes."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ContainerImagesError(
            f"{path} is missing: no container images were pushed from here.", "Push them first: make push."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ContainerImagesError(f"{path} cannot be read: {error}.", "Check the file and its permissions.") from error
    try:
        pushed = json.loads(text)
        images = ContainerImages(pushed["revision"], dict(pushed["images"]))
        wrong = _what_is_wrong(images)
    except (ValueError, TypeError, KeyError) as error:
        wrong = f"it lacks what a push writes ({type(error).__name__}: {error})"
    if wrong:
        raise ContainerImagesError(f"{path} cannot be used: {wrong}.", "Push the container images again: make push.")
    return images


def _what_is_wrong(images: ContainerImages) -> str | None:
    if not _REVISION.fullmatch(images.revision):
        return f"{images.revision!r} is no git revision of 12 hexadecimal digits"
    for name, image in images.by_name.items():
        if not _BY_DIGEST.fullmatch(image):
            return f"{name} is named {image!r}, without a digest"
    return None if images.by_name else "it names no container image"
