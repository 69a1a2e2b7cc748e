"""Prometheus in the stack: that it reads its files where Compose mounts them, and finds everybody by name."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from tests.app.step4.docker_host import bases
from tests.app.step4.stack import Stack

ASK = "import sys, urllib.request as r; print(r.urlopen('http://prometheus:9090/api/v1/' + {path!r}).read().decode())"
STAND_IN = "classifier-test/prometheus:debian"


@pytest.fixture
def prometheus(stack: Stack, docker_client: DockerClient, tmp_path: Path) -> Iterator[Stack]:
    """The stack with its Prometheus, which is Debian's: its layout is that of the published container image."""
    program = shutil.which("prometheus") or pytest.skip("there is no prometheus (Debian has a package of that name)")
    base = next(name for name in bases() if name.startswith("python:"))
    lines = [f"FROM {base}", "COPY prometheus /bin/prometheus", 'ENTRYPOINT ["/bin/prometheus"]', "USER 65534"]
    lines.insert(2, "RUN mkdir -p /prometheus && chown 65534:65534 /prometheus")
    (tmp_path / "Dockerfile").write_text("\n".join(lines))
    shutil.copy(program, tmp_path / "prometheus")
    docker_client.images.build(path=str(tmp_path), tag=STAND_IN, rm=True)
    stack.environment["PROMETHEUS_IMAGE"] = STAND_IN
    stack.compose("--profile", "monitoring", "up", "--detach", "prometheus")
    yield stack
    stack.compose("--profile", "monitoring", "rm", "--stop", "--force", "--volumes", "prometheus")


def asked(stack: Stack, path: str) -> dict:
    return json.loads(stack.python("gateway", ASK.format(path=path)))["data"]


def test_it_finds_every_service_and_knows_every_alarm(prometheus: Stack):
    deadline = time.monotonic() + 180
    up: dict[str, str] = {}
    while {*up.values()} != {"1"} or len(up) < 4:
        assert time.monotonic() < deadline, f"{up}\n{prometheus.logs()}"
        time.sleep(1)
        try:
            found = asked(prometheus, "query?query=up")["result"]
        except AssertionError:
            continue  # it is not listening yet
        up = {one["metric"]["job"]: one["value"][1] for one in found}

    rules = [rule["name"] for group in asked(prometheus, "rules")["groups"] for rule in group["rules"]]

    assert {*up} == {"gateway", "worker", "recommender", "events"}
    assert {"NoWorker", "ServiceGone"} <= {*rules}
