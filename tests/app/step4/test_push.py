"""Pushing, to a real registry on this machine, and signing in to one of AWS, which is a fake."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import boto3
import pytest
import requests
from docker import DockerClient
from moto import mock_aws

from step4_docker.container_images.catalogue import Revision
from step4_docker.container_images.errors import PushError
from step4_docker.container_images.push import Pusher, sign_in_to_ecr
from tests.app.serving import STOPPED_WITHIN_S, free_port, wait_until_answered
from tests.app.step4.docker_host import REVISION
from tests.conftest import ROOT

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/classifier"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A registry that keeps what it gets in a folder."""
    program = which("docker-registry")
    if program is None:
        pytest.skip("there is no docker-registry (Debian has a package of that name)")
    port = free_port()
    settings = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (tmp_path / "registry.yml").write_text(json.dumps(settings))  # JSON is YAML
    server = subprocess.Popen(
        [program, "serve", tmp_path / "registry.yml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until_answered(f"http://127.0.0.1:{port}/v2/", server)
        yield f"127.0.0.1:{port}/classifier"
    finally:
        server.terminate()
        server.wait(timeout=STOPPED_WITHIN_S)


def test_what_was_pushed_is_written_down_by_digest(
    docker_client: DockerClient, container_images: dict[str, str], registry: str, tmp_path: Path
):
    pushed = tmp_path / "data" / "images.json"

    images = Pusher(docker_client, REVISION, registry).push_all(["frontend"], pushed)

    assert json.loads(pushed.read_text()) == {"revision": REVISION.digits, "images": images}
    name, _, digest = images["frontend"].partition("@")
    assert name == f"{registry}/frontend"
    host, _, repository = name.partition("/")
    found = requests.head(
        f"http://{host}/v2/{repository}/manifests/{digest}",
        headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
        timeout=10,
    )
    assert (found.status_code, found.headers["Docker-Content-Digest"]) == (200, digest)


def test_source_that_git_does_not_know_is_not_pushed(docker_client: DockerClient):
    pusher = Pusher(docker_client, Revision("0123456789ab", is_dirty=True), "127.0.0.1:9")

    with pytest.raises(PushError, match="0123456789ab-dirty"):
        pusher.push_all(["frontend"])


def test_what_was_not_built_is_not_pushed(docker_client: DockerClient):
    pusher = Pusher(docker_client, Revision("ffffffffffff", is_dirty=False), "127.0.0.1:9")

    with pytest.raises(PushError, match="classifier/frontend:ffffffffffff was not built"):
        pusher.push("frontend")


def test_a_registry_that_is_not_there_is_told(docker_client: DockerClient, container_images: dict[str, str]):
    with pytest.raises(PushError, match=r"127\.0\.0\.1:9/frontend could not be pushed"):
        Pusher(docker_client, REVISION, "127.0.0.1:9").push("frontend")


@mock_aws
def test_signing_in_to_a_registry_of_aws_makes_the_repositories_that_are_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-nobody")
    ecr = boto3.client("ecr", region_name="eu-west-1")
    ecr.create_repository(repositoryName="classifier/gateway")
    asked = []

    credentials = sign_in_to_ecr(ECR, ["gateway", "worker"], lambda region: asked.append(region) or ecr)

    assert asked == ["eu-west-1"]
    assert credentials["username"] == "AWS"
    assert credentials["password"]
    names = [one["repositoryName"] for one in ecr.describe_repositories()["repositories"]]
    assert sorted(names) == ["classifier/gateway", "classifier/worker"]


def test_any_other_registry_is_signed_in_to_by_docker_itself():
    assert sign_in_to_ecr("europe-west1-docker.pkg.dev/project/repository", ["gateway"], boto3.client) is None


def test_without_docker_the_command_says_so_in_a_sentence():
    run = subprocess.run(
        [sys.executable, "-m", "step4_docker.container_images", "build", "frontend"],
        cwd=ROOT,
        env=os.environ | {"DOCKER_HOST": "unix:///nowhere.sock"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 2
    assert run.stderr == "No Docker answers here.\nStart it (dockerd, or Docker Desktop), or set DOCKER_HOST.\n"
