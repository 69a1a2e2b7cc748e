"""The Docker of this machine, and the base images that step 4 builds on."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from shutil import which

import pytest
import requests
from docker import DockerClient
from docker.errors import DockerException, ImageNotFound
from docker.models.containers import Container

from step4_docker.container_images.build import connect
from step4_docker.container_images.catalogue import Revision
from step4_docker.container_images.errors import DockerUnavailableError
from tests.app.step4.compose_file import FOLDER, SERVICES
from tests.conftest import ROOT

REVISION = Revision("0123456789ab", is_dirty=False)
"""What tests build is named after."""

# Makes base images where no registry can be reached.
STAND_INS = ROOT.parent / "shared" / "tools" / "make-standin-images"
STARTS_WITHIN_S = 60


@contextmanager
def docker_host() -> Iterator[DockerClient]:
    """Yield the Docker that answers; one is started for as long as it is needed where it is installed and we may."""
    try:
        yield connect()
        return
    except DockerUnavailableError:
        pass
    if os.geteuid() != 0 or not which("dockerd"):
        pytest.skip("no Docker answers here, and none can be started")
    server = subprocess.Popen(["dockerd"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield _wait_for(server)
    finally:
        server.terminate()
        server.wait(timeout=60)


def _wait_for(server: "subprocess.Popen[bytes]") -> DockerClient:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            return connect()
        except DockerUnavailableError:
            time.sleep(0.5)
    pytest.skip("dockerd does not start here")


def wait_until_healthy(container: Container, address: str) -> None:
    """Return once the nginx in a container answers there for itself."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        try:
            if requests.get(address, timeout=10).text == "nginx answers\n":
                return
        except requests.ConnectionError:
            pass  # not listening yet
        time.sleep(0.05)
    raise AssertionError(container.logs().decode())


def bases() -> list[str]:
    """Return the container images of others that are built on or run."""
    declared = {
        found[1]
        for path in FOLDER.glob("*.Dockerfile")
        for found in re.finditer(r"^ARG (?:PYTHON|NGINX)_IMAGE=(\S+)$", path.read_text(), re.MULTILINE)
    }
    return sorted({*declared, re.search(r":-(.+)}", SERVICES["redis"]["image"])[1]})


def have_bases(client: DockerClient) -> None:
    """Pull them, or make what stands for them; skip where neither can be done."""
    missing = [name for name in bases() if not _is_there(client, name) and not _is_pulled(client, name)]
    if missing and not STAND_INS.exists():
        pytest.skip(f"no registry can be reached to pull {', '.join(missing)}")
    if missing:
        subprocess.run([STAND_INS, *missing], check=True, stdin=subprocess.DEVNULL)


def _is_there(client: DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def _is_pulled(client: DockerClient, name: str) -> bool:
    try:
        client.images.pull(name)
    except DockerException:
        return False
    return True
