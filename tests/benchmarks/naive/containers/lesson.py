"""What a lesson builds and runs in Docker: tiny container images on step 4's base, removed whatever happens."""

import io
import re
import signal
import sys
import tarfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from docker import DockerClient
from docker.errors import DockerException, ImageNotFound
from docker.models.containers import Container
from docker.models.images import Image

from shared.errors import ExpectedError
from step4_docker.container_images.build import connect
from step4_docker.container_images.catalogue import ROOT, dockerfile
from step4_docker.container_images.errors import BuildError


@dataclass(frozen=True)
class Lesson:
    """Builds and runs under names that begin with its own, without a network."""

    client: DockerClient
    name: str
    left: ExitStack

    def build(self, lines: str, files: Mapping[str, str] | None = None, tag: str = "latest", **arguments: str) -> Image:
        """Build the lines of a Dockerfile that come after FROM, and the files that they copy. Raises BuildError."""
        base = _base()
        try:
            image, _ = self.client.images.build(
                fileobj=_context({"Dockerfile": f"FROM {base}\n{lines}", **(files or {})}),
                custom_context=True,
                tag=f"{self.name}:{tag}",
                buildargs=arguments,
                network_mode="none",
                forcerm=True,
            )
        except DockerException as error:
            detail = f"{self.name} could not be built: {error}"
            raise BuildError(detail, f"It needs {base}; look whether Docker can pull that.") from error
        self.left.callback(self._remove, image)
        return image

    def start(self, image: Image | str, command: list[str] | None = None, **options: Any) -> Container:  # noqa: ANN401
        """Start a container, under the limits and rights that Docker's own names say."""
        name = f"{self.name}-{token_hex(4)}"
        container = self.client.containers.create(image, command, name=name, network_mode="none", **options)
        self.left.callback(container.remove, force=True)
        container.start()
        return container

    def run(self, image: Image | str, command: list[str] | None = None, **options: Any) -> str:  # noqa: ANN401
        """Run a container until it ends, and return what it printed."""
        container = self.start(image, command, **options)
        container.wait()
        return str(container.logs().decode()).strip()

    def _remove(self, image: Image) -> None:
        with suppress(ImageNotFound):  # what is built twice is one
            self.client.images.remove(image.id, force=True)


def teach(name: str, lesson: Callable[[Lesson], None]) -> int:
    """Give the lesson, remove all that it made, and return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what it made is removed
    try:
        with ExitStack() as left:
            lesson(Lesson(connect(), f"lesson-{name}", left))
    except ExpectedError as error:
        print(f"{error.detail}\n{error.remedy}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _base() -> str:
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", (ROOT / dockerfile("gateway")).read_text(), re.MULTILINE)
    return str(base)


def _context(files: Mapping[str, str]) -> io.BytesIO:
    """Return a build context that lies in memory."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    packed.seek(0)
    return packed
