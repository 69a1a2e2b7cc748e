"""Build container images by Docker's own API, with the git revision in their labels."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import docker
import requests
from docker import DockerClient
from docker.errors import DockerException

from step4_docker.container_images.catalogue import ROOT, Revision, dockerfile, local_name
from step4_docker.container_images.errors import BuildError, DockerUnavailableError

Report = Callable[[str], None]
"""Is told of each step as it begins."""

_SHOWN_LINES = 20  # of what a build said before it failed


def connect() -> DockerClient:
    """Return the Docker that DOCKER_HOST names, or that of this machine. Raises DockerUnavailableError."""
    try:
        client = docker.from_env()
        client.ping()
    except (DockerException, requests.RequestException) as error:
        detail = "No Docker answers here."
        raise DockerUnavailableError(detail, "Start it (dockerd, or Docker Desktop), or set DOCKER_HOST.") from error
    return client


@dataclass(frozen=True)
class Builder:
    """Builds from the source as it lies there.

    `arguments` are build arguments: MODEL for the one that the worker carries, PYTHON_IMAGE for another base.
    `network` is the one that a build installs packages through, such as "host"; by default Docker's own.
    """

    client: DockerClient
    revision: Revision
    arguments: Mapping[str, str] = field(default_factory=dict)
    network: str | None = None
    report: Report = lambda _: None

    def build(self, name: str) -> str:
        """Build one container image, and return what it is called. Raises BuildError."""
        called = local_name(name, self.revision.tag)
        self.report(f"==> {called}")
        try:
            output = self.client.api.build(
                path=str(ROOT),
                dockerfile=dockerfile(name),
                tag=called,
                buildargs=self._arguments_of(name),
                network_mode=self.network,
                rm=True,
                forcerm=True,
                decode=True,
            )
            _follow(output, name, self.report)
        except (DockerException, requests.RequestException) as error:
            raise BuildError(f"{called} could not be built: {error}", "Look at what Docker says.") from error
        return called

    def _arguments_of(self, name: str) -> dict[str, str]:
        """Return the build arguments that a Dockerfile declares: Docker warns of any other."""
        tag = self.revision.tag
        given = {"REVISION": tag, "EXPORTER_IMAGE": local_name("exporter", tag), **self.arguments}
        lines = (ROOT / dockerfile(name)).read_text(encoding="utf-8").splitlines()
        declared = {line.split()[1].partition("=")[0] for line in lines if line.startswith("ARG ")}
        return {key: value for key, value in given.items() if key in declared}


def _follow(output: Iterable[Mapping[str, Any]], name: str, report: Report) -> None:
    """Report each step. Raises BuildError with the last lines where one fails."""
    said: deque[str] = deque(maxlen=_SHOWN_LINES)
    for event in output:
        text = str(event.get("stream", "")).rstrip()
        if text:
            said.append(text)
        if text.startswith("Step "):
            report(f"{name}: {text.splitlines()[0][:100]}")
        if error := event.get("error"):
            told = "\n".join(said)
            raise BuildError(
                f"{told}\n{name} could not be built: {error}", f"Mend {dockerfile(name)}, and build again."
            )
