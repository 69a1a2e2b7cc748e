"""What tests of several steps share: a browser, services in a mood, container images of this source.

`service` is a fixture of each step's own.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from docker import DockerClient
from playwright.sync_api import sync_playwright

from step4_docker.container_images.build import Builder
from step4_docker.container_images.catalogue import NAMES
from tests.app.browser import launch, watched
from tests.app.moody import Moody
from tests.app.step4.docker_host import REVISION, docker_host, have_bases
from tests.small_servers import answering


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, service):
    """Open the page in a browser of its own, with these settings."""
    opened = []

    def open_page(path="/", *, service=service, **settings):
        context = browser.new_context(**settings)
        watching = watched(context, service.address)
        opened.append((context, watching))
        page = watching.__enter__()
        page.goto(service.address + path)
        return page

    yield open_page
    for context, watching in opened:
        watching.__exit__(None, None, None)
        context.close()


@pytest.fixture
def page(visit):
    return visit()


@pytest.fixture
def plain(visit):
    """The page without its script."""
    return visit(java_script_enabled=False)


@pytest.fixture
def look(request):
    """Keep a picture of the page where a person can look at it: .pytest_cache/d/screenshots."""
    step = request.path.parent.name

    def screenshot(page, name):
        page.screenshot(path=request.config.cache.mkdir("screenshots") / f"{step}-{name}.png", full_page=True)

    return screenshot


@pytest.fixture
def moody() -> Iterator:
    """Start such services as a test wants; see `Moody`."""
    with ExitStack() as stack:
        yield lambda *replies: stack.enter_context(answering(Moody(*replies)))


@pytest.fixture(scope="session")
def docker_client() -> Iterator[DockerClient]:
    """The Docker of this machine, with the bases that container images are built on."""
    with docker_host() as client:
        have_bases(client)
        yield client


@pytest.fixture(scope="session")
def container_images(docker_client: DockerClient) -> dict[str, str]:
    """All of them, with the offline model in the worker: each name, and what it is called."""
    builder = Builder(docker_client, REVISION, {"MODEL": "efficientnet_lite0"}, report=print)
    return {name: builder.build(name) for name in NAMES}
