"""Step 4 as `make step4` starts it: Compose, under a project, a port and passwords of its own."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from docker import DockerClient
from docker.models.containers import Container

from step4_docker.container_images.passwords import make_passwords
from tests.app.serving import free_port
from tests.app.step4.compose_file import FOLDER, program

PROJECT = "classifier-under-test"


@dataclass(frozen=True)
class Stack:
    """What runs, and the settings it was started with."""

    client: DockerClient
    environment: dict[str, str]
    project: str = PROJECT
    files: tuple[Path, ...] = (FOLDER / "compose.yaml",)

    @property
    def address(self) -> str:
        """Return where the front end is."""
        return f"http://127.0.0.1:{self.environment['PORT']}"

    def compose(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run Compose on it."""
        files = [part for file in self.files for part in ("-f", str(file))]
        command = [program("docker-compose"), "-p", self.project, *files, *arguments]
        run = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0 or not check, f"{command}:\n{run.stderr}\n{self.logs()}"
        return run

    def up(self, *arguments: str) -> None:
        """Start what does not run, and wait until all of it is healthy."""
        self.compose("up", "--detach", "--wait", *arguments)

    def remove(self) -> None:
        """Leave nothing of it."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "10")

    def logs(self) -> str:
        """Return the last lines of everybody."""
        return self.compose("logs", "--tail", "20", check=False).stdout

    def containers(self, service: str) -> list[Container]:
        """Return the containers of a service, those that have ended too."""
        labels = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}"]
        return self.client.containers.list(all=True, filters={"label": labels})

    def python(self, service: str, program_text: str) -> str:
        """Run a Python program in the container of a service, and return what it prints."""
        code, output = self.containers(service)[0].exec_run(["python", "-c", program_text])
        assert code == 0, output.decode()
        return output.decode()

    def redis(self, *command: str) -> str:
        """Run a command of Redis."""
        url = Path(self.environment["SECRETS"], "redis_url").read_text()
        password = url.removeprefix("redis://:").partition("@")[0]
        shown = self.containers("redis")[0].exec_run(["redis-cli", "--no-auth-warning", "-a", password, *command])
        return shown.output.decode()

    def classify(self, picture: bytes, timeout_s: float = 60) -> requests.Response:
        """Ask for an answer, through the front end."""
        return requests.post(f"{self.address}/v1/classify", data=picture, timeout=timeout_s)


@contextmanager
def running(
    client: DockerClient, tag: str, folder: Path, *services: str, override: str = "", **settings: str
) -> Iterator[Stack]:
    """Start everything, or what is named, with an override of compose.yaml; afterwards nothing of it is left."""
    make_passwords(folder / "secrets")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TAG": tag,
        "PORT": str(free_port()),
        "SECRETS": str(folder / "secrets"),
        **settings,
    }
    (folder / "override.yaml").write_text(override or "{}")
    stack = Stack(client, environment, f"{PROJECT}-{folder.name}", (FOLDER / "compose.yaml", folder / "override.yaml"))
    try:
        stack.remove()  # what a run that was killed has left; its volumes know other passwords
        stack.up(*services)
        yield stack
    finally:
        stack.remove()


def problem(response: requests.Response) -> dict[str, Any]:
    """Return a problem document."""
    assert response.headers["Content-Type"] == "application/problem+json"
    return json.loads(response.content)
