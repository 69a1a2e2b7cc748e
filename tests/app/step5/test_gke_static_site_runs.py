"""The container image of the static page, built, and run as the Pods of its Deployment are."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

import pytest
import requests
from docker import DockerClient
from docker.models.containers import Container

from step4_docker.container_images.catalogue import local_name
from step5_orchestration.deploy.gke.cost import quantity
from step5_orchestration.deploy.gke.manifests import MANIFESTS, Manifest, containers, pod_of
from tests.app.serving import free_port, wait_until
from tests.app.step4.docker_host import REVISION, wait_until_healthy
from tests.app.step5.kubernetes_rendered import STATIC_SITE, named
from tests.app.step5.pod_in_docker import in_docker

SITE = MANIFESTS / STATIC_SITE
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


def deployment() -> Manifest:
    return named(STATIC_SITE, "Deployment", "static-site")


@dataclass(frozen=True)
class Site:
    """The container, and where it is asked."""

    container: Container
    port: int

    def get(self, path: str) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=10)


@pytest.fixture(scope="module")
def container_image(docker_client: DockerClient) -> str:
    name = local_name("static-site", REVISION.tag)
    docker_client.images.build(path=str(SITE), tag=name, rm=True)
    return name


@contextmanager
def running(client: DockerClient, container_image: str, folder: Path) -> Iterator[Site]:
    port = free_port()
    pod = in_docker(pod_of(deployment()), folder)
    container = client.containers.run(container_image, detach=True, ports={"8080/tcp": ("127.0.0.1", port)}, **pod)
    try:
        probe = next(containers(deployment()))["readinessProbe"]["httpGet"]
        wait_until_healthy(container, f"http://127.0.0.1:{port}{probe['path']}")
        yield Site(container, port)
    finally:
        container.remove(force=True)


@pytest.fixture(scope="module")
def site(docker_client: DockerClient, container_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(docker_client, container_image, tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.mark.parametrize("path", FILES)
def test_every_file_of_the_page_is_served_as_what_it_is(site: Site, path: str):
    name, content_type = FILES[path]

    reply = site.get(path)

    assert (reply.status_code, reply.headers["Content-Type"]) == (200, content_type)
    assert reply.content == (SITE / "page" / name).read_bytes()


@pytest.mark.parametrize("path", [*FILES, "/healthz", "/no-such-page"])
def test_every_answer_forbids_what_the_page_does_not_need(site: Site, path: str):
    headers = site.get(path).headers

    assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-cache"
    assert headers["Server"] == "nginx", "without its version"


@pytest.mark.parametrize("path", ["/no-such-page", "/no-such.css", "/no-such-folder/"])
def test_a_file_that_is_missing_is_a_problem(site: Site, path: str):
    reply = site.get(path)

    assert (reply.status_code, reply.headers["Content-Type"]) == (404, "application/problem+json")
    assert reply.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "code": "not_found",
        "detail": "There is no such page.",
        "remedy": "Open /.",
    }


def test_docker_finds_it_healthy_too(site: Site):
    kind, *command = site.container.image.attrs["Config"]["Healthcheck"]["Test"]

    assert kind == "CMD"
    assert site.container.exec_run(command).exit_code == 0


def test_it_needs_no_rights_and_no_more_memory_than_its_pod_has(site: Site):
    status = site.container.exec_run(["cat", "/proc/1/status"]).output.decode()
    facts = dict(line.split(":\t", 1) for line in status.splitlines())
    written = site.container.exec_run(["touch", "/usr/share/nginx/html/new"])

    assert facts["Uid"].split() == ["101"] * 4
    assert facts["CapEff"] == facts["CapBnd"] == "0000000000000000"
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
    assert b"Read-only file system" in written.output
    (wanted,) = containers(deployment())
    assert site.container.attrs["HostConfig"]["Memory"] == quantity(wanted["resources"]["limits"]["memory"])


def test_a_request_on_its_way_is_answered_when_the_pod_is_told_to_stop_and_no_new_one_is_taken(
    docker_client: DockerClient, container_image: str, tmp_path: Path
):
    with running(docker_client, container_image, tmp_path) as site:
        with socket.create_connection(("127.0.0.1", site.port), timeout=60) as connection:
            request = b"GET /page.css HTTP/1.1\r\nHost: here\r\n"
            # A whole request before it, in the same packet: once that is answered, nginx has read this one too.
            connection.sendall(request + b"\r\n" + request)
            answered(connection)
            site.container.kill(site.container.image.attrs["Config"]["StopSignal"])
            wait_until(lambda: is_deaf(site), within_s=60)

            connection.sendall(b"\r\n")

            assert answered(connection) == 200
        assert site.container.wait(timeout=30)["StatusCode"] == 0


def answered(connection: socket.socket) -> int:
    """Read an answer to its end, and return its status."""
    with HTTPResponse(connection) as answer:
        answer.begin()
        answer.read()
        return answer.status


def is_deaf(site: Site) -> bool:
    try:
        site.get("/healthz")
    except requests.ConnectionError:
        return True
    return False
