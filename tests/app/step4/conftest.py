"""One stack of containers that whoever harms nothing may share."""

from collections.abc import Iterator

import pytest
from docker import DockerClient

from tests.app.step4.docker_host import REVISION
from tests.app.step4.stack import Stack, running


@pytest.fixture(scope="session")
def stack(
    docker_client: DockerClient, container_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    # In float32, so that answers can be compared with those of the other steps.
    with running(docker_client, REVISION.tag, tmp_path_factory.mktemp("stack"), PRECISION="float32") as stack:
        yield stack
