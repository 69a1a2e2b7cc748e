"""What is in the container images, and what is not."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from step4_docker.container_images.__main__ import main
from step4_docker.container_images.build import Builder
from step4_docker.container_images.catalogue import BUILT, SERVED, built_tag, local_name, read_revision
from step4_docker.container_images.errors import AuditError, BuildError
from step4_docker.container_images.packages import audit, packages_of, sbom
from tests.app.step4.compose_file import FOLDER
from tests.app.step4.docker_host import REVISION, bases
from tests.conftest import ROOT
from tests.repo.checkout import python_in

WITH_PYTHON = [name for name in SERVED if name != "frontend"]
BUDGET = {name: size for name, size in json.loads((FOLDER / "budget.json").read_text()).items() if name != "about"}
DIGESTS = """
import hashlib, json, pathlib
print(json.dumps({str(path.relative_to("/app")): hashlib.sha256(path.read_bytes()).hexdigest()
                  for path in pathlib.Path("/app").rglob("*.*") if path.is_file() and path.suffix != ".pyc"}))
"""

per_image = pytest.mark.parametrize("name", SERVED)
per_python_image = pytest.mark.parametrize("name", WITH_PYTHON)


def settings_of(client: DockerClient, container_image: str) -> dict[str, Any]:
    return client.images.get(container_image).attrs["Config"]


def printed(client: DockerClient, container_image: str, program: str) -> str:
    """What a Python program prints inside, without a network and without a way to write."""
    command = ["python", "-c", program]
    output = client.containers.run(
        container_image, entrypoint=command, command=[], remove=True, network_disabled=True, read_only=True
    )
    return output.decode()


@per_image
def test_it_runs_as_somebody_without_rights(docker_client: DockerClient, container_images: dict[str, str], name: str):
    user = settings_of(docker_client, container_images[name])["User"]

    assert user == ("101:101" if name == "frontend" else "10001:10001")


@per_image
def test_it_starts_without_a_shell_and_says_what_it_was_made_from(
    docker_client: DockerClient, container_images: dict[str, str], name: str
):
    settings = settings_of(docker_client, container_images[name])

    assert settings["Entrypoint"][0] in {"python", "nginx"}
    assert settings["Labels"]["org.opencontainers.image.revision"] == REVISION.tag
    assert settings["Healthcheck"]["Test"][0] == ("NONE" if name == "trainer" else "CMD")


@per_python_image
def test_the_source_inside_is_that_of_step_3_byte_for_byte(
    docker_client: DockerClient, container_images: dict[str, str], name: str
):
    inside = json.loads(printed(docker_client, container_images[name], DIGESTS))

    source = {str(path): hashlib.sha256((ROOT / path).read_bytes()).hexdigest() for path in python_in(*PACKED)}

    assert {path: digest for path, digest in inside.items() if path.endswith(".py")} == source
    assert {path for path in inside if path.startswith((".", "tests/"))} == set()


PACKED = ("shared", "step3_microservices")


@per_python_image
def test_nothing_can_be_installed_inside_and_only_a_training_brings_what_trains(
    docker_client: DockerClient, container_images: dict[str, str], name: str
):
    packages = {package.partition("==")[0] for package in packages_of(docker_client, container_images[name])}

    assert "pip" not in packages
    assert not packages & {"tensorflow", "keras", "nncf", "pytest", "ruff"}
    assert ("implicit" in packages) == (name == "trainer")
    assert ("openvino" in packages) == (name == "worker")


@pytest.mark.parametrize("name", BUDGET)
def test_it_weighs_no_more_than_planned(docker_client: DockerClient, container_images: dict[str, str], name: str):
    base = next(base for base in bases() if ("nginx" if name == "frontend" else "python:") in base)

    added = (
        docker_client.images.get(container_images[name]).attrs["Size"] - docker_client.images.get(base).attrs["Size"]
    )

    assert added / 1e6 <= BUDGET[name]


def test_the_worker_brings_its_model(docker_client: DockerClient, container_images: dict[str, str]):
    listed = "from pathlib import Path; print(*(p.name for p in Path('/artifacts/efficientnet_lite0').iterdir()))"

    names = printed(docker_client, container_images["worker"], listed).split()

    assert "current" in names
    assert len(names) > 1


def test_what_a_container_image_holds_is_written_down(docker_client: DockerClient, container_images: dict[str, str]):
    packages = packages_of(docker_client, container_images["gateway"])

    document = json.loads(sbom(container_images["gateway"], packages))

    assert document["specVersion"] == "1.6"
    assert document["metadata"]["component"]["name"] == container_images["gateway"]
    flask = next(one for one in document["components"] if one["name"].lower() == "flask")
    assert flask["purl"] == f"pkg:pypi/flask@{flask['version']}"
    assert f"flask=={flask['version']}" in (ROOT / "shared/constraints.txt").read_text().splitlines()
    assert len(document["components"]) == len(packages)


def test_a_package_that_nobody_can_be_asked_about_is_no_good_news():
    with pytest.raises(AuditError, match=r"1 of 1 packages could not be looked up|cannot be reached"):
        audit(["surely-no-such-package-of-anybody==1.0"])


def test_step_4_runs_on_with_what_it_has_when_one_is_built_alone(
    docker_client: DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    BUILT.parent.mkdir()
    BUILT.write_text("all-of-them")
    called = local_name("frontend", read_revision().tag)
    was_there = docker_client.images.list(called)

    code = main(["build", "frontend"])

    if not was_there:
        docker_client.images.remove(called)
    assert code == 0
    assert built_tag() == "all-of-them"


def test_a_build_that_fails_says_where(docker_client: DockerClient):
    builder = Builder(docker_client, REVISION, {"NGINX_IMAGE": "localhost:9/no-such:base"})

    with pytest.raises(BuildError, match="frontend could not be built") as raised:
        builder.build("frontend")

    assert "Step 2/" in raised.value.detail
    assert raised.value.remedy == "Mend step4_docker/frontend.Dockerfile, and build again."
