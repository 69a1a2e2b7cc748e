"""Which container images there are, in the order they are built in, and how one is named."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from step4_docker.container_images.errors import BuildError

ROOT = Path(__file__).parents[2]
"""The repository, which is the build context of every one."""

SERVED = ("gateway", "worker", "recommender", "frontend", "trainer")
"""Those that run somewhere; the worker's model comes from the exporter, which stays here."""

NAMES = ("exporter", *SERVED)

PREFIX = "classifier/"
"""What a name begins with on this machine; a registry's address takes its place when it is pushed."""

BUILT = Path(".data/container-tag")
"""Holds the tag that all of them were last built under, which is what runs: the source may have changed since."""

_PACKED = ("shared", "step3_microservices", "step4_docker", ".dockerignore")
_REVISION_DIGITS = 12


@dataclass(frozen=True)
class Revision:
    """The state of the source: the git revision, and whether files differ from it."""

    digits: str
    is_dirty: bool

    @property
    def tag(self) -> str:
        """Return the container tag of what is built from it."""
        return f"{self.digits}-dirty" if self.is_dirty else self.digits


def read_revision() -> Revision:
    """Ask git; a copy without its history is `unknown`, and counts as changed."""
    try:
        digits = _git("rev-parse", f"--short={_REVISION_DIGITS}", "HEAD")[:_REVISION_DIGITS]
        return Revision(digits, is_dirty=bool(_git("status", "--porcelain", "--", *_PACKED)))
    except (OSError, subprocess.CalledProcessError):
        return Revision("unknown", is_dirty=True)


def built_tag() -> str:
    """Return the tag of what was built last. Raises BuildError where nothing was."""
    try:
        return BUILT.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BuildError("No container images were built from here.", "Build them: make images.") from error


def dockerfile(name: str) -> str:
    """Return the path of a Dockerfile, from the root."""
    return f"step4_docker/{name}.Dockerfile"


def local_name(name: str, tag: str) -> str:
    """Return what a container image is called on this machine."""
    return f"{PREFIX}{name}:{tag}"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S607 - the git of whoever builds
