"""The bundle as Beanstalk's platforms run it.

On Docker: unpacked, secrets made by its hook, settings in `.env`, Compose. On ECS: its front end, by its definition.
"""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from docker import DockerClient

from step4_docker.container_images.build import Builder
from step5_orchestration.deploy.container_images import ContainerImages
from step5_orchestration.deploy.elastic_beanstalk.bundle import make_bundle, unpack
from step5_orchestration.deploy.elastic_beanstalk.compose import HEALTHD_LOG, SECRETS
from step5_orchestration.deploy.smoke_test import smoke_test
from tests.app.serving import READY_WITHIN_S, free_port
from tests.app.step4.compose_file import program
from tests.app.step4.docker_host import REVISION, wait_until_healthy
from tests.app.step5.eb_account import NAMES, wanted

DIGEST = "0" * 64
PUSHED = ContainerImages(REVISION.digits, {name: f"registry.example/{name}@sha256:{DIGEST}" for name in NAMES})
# time in seconds, path, status, seconds of the request and of the gateway, client before the load balancer
HEALTHD_LINE = re.compile(r'\d+\.\d{3}"/[^"]*"\d{3}"\d+\.\d{3}"(\d+\.\d{3}|-)?"[^"]*')


@pytest.fixture
def instance(container_images: dict[str, str], tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An instance with the bundle running on it: its address, and the folder that is its disk."""
    current, port = tmp_path / "current", str(free_port())
    unpack(make_bundle(wanted(), PUSHED), current)
    on_this_machine = {
        **{PUSHED[name]: container_images[name] for name in NAMES},  # no registry is asked
        '"80:8080"': f'"127.0.0.1:{port}:8080"',
        "80:8080": f"127.0.0.1:{port}:8080",
        SECRETS: str(tmp_path / "secrets"),
        f"{HEALTHD_LOG}:": f"{tmp_path / 'healthd'}:",
    }
    compose = current / "docker-compose.yml"
    compose.write_text(replaced(compose.read_text(), on_this_machine))
    (tmp_path / "healthd").mkdir(mode=0o777)
    (tmp_path / "healthd").chmod(0o777)
    hook = current / ".platform/hooks/predeploy/secrets.sh"
    subprocess.run(
        [hook], env=os.environ | {"SECRETS": str(tmp_path / "secrets"), "GET_CONFIG": "/bin/false"}, check=True
    )
    (current / ".env").write_text("PRECISION=float32\n")  # as the platform writes what was set

    command = [program("docker-compose"), "-p", f"eb-{tmp_path.name.replace('_', '-')}"]
    down = [*command, "down", "--volumes", "--timeout", "5"]
    try:
        subprocess.run(down, cwd=current, check=False, capture_output=True)  # what a run that was killed has left
        up = subprocess.run([*command, "up", "--detach"], cwd=current, capture_output=True, text=True, check=False)
        assert up.returncode == 0, up.stderr
        yield f"http://127.0.0.1:{port}", tmp_path
    finally:
        subprocess.run(down, cwd=current, check=False, capture_output=True)


def replaced(text: str, changes: dict[str, str]) -> str:
    for before, after in changes.items():
        text = text.replace(before, after)
    return text


def test_the_bundle_answers_the_golden_picture_and_writes_the_log_that_health_is_read_from(
    instance: tuple[str, Path],
):
    address, disk = instance

    smoke_test(address, timeout_s=READY_WITHIN_S)

    lines = written(disk / "healthd", '"/v1/classify"200"').splitlines()
    assert [line for line in lines if not HEALTHD_LINE.fullmatch(line)] == []
    for log in (disk / "healthd").iterdir():
        assert re.fullmatch(r"application\.log\.\d{4}-\d\d-\d\d-\d\d", log.name)


@pytest.fixture
def front(docker_client: DockerClient, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The front end as ECS starts it, with nobody behind it: its address, and the folder of its log."""
    unpack(make_bundle(wanted(platform="ecs"), PUSHED), tmp_path / "current")
    dockerrun = json.loads((tmp_path / "current/Dockerrun.aws.json").read_text())
    (tmp_path / "healthd").mkdir()
    os.chown(tmp_path / "healthd", 101, 101)
    port = free_port()
    container = docker_client.containers.run(
        Builder(docker_client, REVISION).build("frontend"),
        ports={"8080/tcp": ("127.0.0.1", port)},
        extra_hosts={"gateway": "127.0.0.1"},  # what a link leads to
        detach=True,
        **as_defined(dockerrun, "frontend", {"/var/app/current": "current", HEALTHD_LOG: "healthd"}, tmp_path),
    )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_healthy(container, f"{address}/healthz")
        yield address, tmp_path / "healthd"
    finally:
        container.remove(force=True)


def as_defined(dockerrun: dict[str, Any], name: str, places: dict[str, str], disk: Path) -> dict[str, Any]:
    """What ECS makes of a definition, where these folders of an instance lie on that disk."""
    (one,) = [one for one in dockerrun["containerDefinitions"] if one["name"] == name]
    sources = {volume["name"]: volume["host"]["sourcePath"] for volume in dockerrun["volumes"]}
    folders = {before: str(disk / after) for before, after in places.items()}
    return {
        "mem_limit": f"{one['memory']}m",
        "read_only": one["readonlyRootFilesystem"],
        "cap_drop": one["linuxParameters"]["capabilities"]["drop"],
        "security_opt": one["dockerSecurityOptions"],
        "tmpfs": {
            made["containerPath"]: ",".join([f"size={made['size']}m", *made["mountOptions"]])
            for made in one["linuxParameters"]["tmpfs"]
        },
        "volumes": {
            replaced(sources[point["sourceVolume"]], folders): {
                "bind": point["containerPath"],
                "mode": "ro" if point["readOnly"] else "rw",
            }
            for point in one["mountPoints"]
        },
    }


def written(folder: Path, awaited: str) -> str:
    """What is in the logs, one for each hour, once that is; nginx writes when it has answered."""
    for _ in range(200):
        text = "".join(path.read_text() for path in folder.iterdir())
        if awaited in text:
            return text
        time.sleep(0.05)
    raise AssertionError(f"{awaited} was not written in:\n{text}")


def test_the_front_end_on_ecs_writes_the_same_log_also_of_what_nobody_answers(front: tuple[str, Path]):
    address, folder = front

    reply = requests.get(f"{address}/v1/jobs", headers={"X-Forwarded-For": "192.0.2.7"}, timeout=10)

    (line,) = written(folder, '"/v1/jobs"').splitlines()
    assert reply.status_code == 503
    assert HEALTHD_LINE.fullmatch(line)
    assert line.split('"')[1:3] == ["/v1/jobs", "503"]
    assert line.endswith('"192.0.2.7')
