"""The container images of this source, and one stack of them that whoever harms nothing may share."""

from collections.abc import Iterator

import pytest
from docker import DockerClient

from step4_docker.container_images.build import Builder
from step4_docker.container_images.catalogue import NAMES, Revision
from tests.app.step4.docker_host import docker_host, have_bases
from tests.app.step4.stack import Stack, running

REVISION = Revision("0123456789ab", is_dirty=False)


@pytest.fixture(scope="session")
def docker_client() -> Iterator[DockerClient]:
    with docker_host() as client:
        have_bases(client)
        yield client


@pytest.fixture(scope="session")
def container_images(docker_client: DockerClient) -> dict[str, str]:
    """All of them, with the offline model in the worker: each name, and what it is called."""
    builder = Builder(docker_client, REVISION, {"MODEL": "efficientnet_lite0"}, report=print)
    return {name: builder.build(name) for name in NAMES}


@pytest.fixture(scope="session")
def stack(
    docker_client: DockerClient, container_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    # In float32, so that answers can be compared with those of the other steps.
    with running(docker_client, REVISION.tag, tmp_path_factory.mktemp("stack"), PRECISION="float32") as stack:
        yield stack
