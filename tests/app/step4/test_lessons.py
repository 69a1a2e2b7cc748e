"""Each lesson of what fails in containers, run once, and what is left of it: nothing."""

import os
import signal
import subprocess
import sys
import time

import pytest
from docker import DockerClient

from tests.conftest import ROOT


def lesson(name: str) -> list[str]:
    return [sys.executable, "-m", f"tests.benchmarks.naive.containers.{name}"]


def told_by(name: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    settings = {**os.environ, **environment}
    return subprocess.run(
        lesson(name), cwd=ROOT, env=settings, capture_output=True, text=True, timeout=600, check=False
    )


def left_by(client: DockerClient, name: str) -> list[str]:
    containers = client.containers.list(all=True, filters={"name": f"lesson-{name}"})
    images = client.images.list(filters={"reference": f"lesson-{name}"})
    return [str(one) for one in (*containers, *images)]


LESSONS = {
    "as_root": [
        "its own program: as root written, as 10001 Permission denied",
        "a tool of theirs: as root written, as 10001 Read-only file system",
        "a folder of yours: as root written by root, as 10001 Permission denied",
    ],
    "unbounded_memory": [
        "no limits: the neighbour is killed",
        "a limit of 64 MB: the leak ends with 137, out of memory; the neighbour is running",
    ],
    "shell_form": [
        "shell form, CMD python serve.py: ends with 137, requests lost: 1",
        'exec form, CMD ["python", "serve.py"]: ends with 0, requests lost: 0',
    ],
    "latest_tag": [
        ":latest starts release 2",
        "names that release 1 still has: 0",
        ":1f0c2a7be913, its revision, starts release 1",
        "its digest starts release 1",
    ],
    "secret_in_a_layer": [
        "copied, and removed again: in a layer",
        "given to the build as an argument: in its history",
        "mounted where it runs: nowhere; the program reads it",
    ],
}


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_shows_what_fails_and_what_does_not_and_leaves_nothing(docker_client: DockerClient, name: str):
    run = told_by(name)

    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[1:] == LESSONS[name]
    assert left_by(docker_client, name.replace("_", "-")) == []


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_lesson_leaves_nothing_behind(docker_client: DockerClient, stop: signal.Signals):
    process = subprocess.Popen(lesson("shell_form"), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    started = time.monotonic()
    while not docker_client.containers.list(filters={"name": "lesson-shell-form"}):
        assert process.poll() is None
        assert time.monotonic() < started + 60
        time.sleep(0.1)

    process.send_signal(stop)

    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode != 0
    assert left_by(docker_client, "shell-form") == []


def test_without_docker_a_lesson_says_what_to_do():
    run = told_by("as_root", DOCKER_HOST="tcp://127.0.0.1:1")

    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "No Docker answers here.\nStart it (dockerd, or Docker Desktop), or set DOCKER_HOST.\n"
