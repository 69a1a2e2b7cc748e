"""What the tests share: the sample pictures, real models, and a hub for weights on this machine."""

import signal
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from shared.classifier.native_logs import native_logs_held_back
from tests.small_servers import answering

with native_logs_held_back():
    from shared.classifier.keras_classifier import KerasClassifier
    from shared.classifier.models import load

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "shared" / "samples"
FINE_TUNED = ROOT.parent / "shared" / "models" / "image_safety_inception_v3.keras"

# A shell starts what it puts in the background (`make test &`) deaf to Ctrl-C, and so would be all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

needs_fine_tuned_model = pytest.mark.skipif(
    not FINE_TUNED.exists(), reason=f"no fine-tuned model beside the checkout ({FINE_TUNED.name})"
)


WITH_DOCKER = ("tests/app/step4", "tests/app/step5", "tests/repo/test_readmes.py")


class ByFolder(LoadScopeScheduling):
    """Keeps together what shares something where tests run in two processes: servers of a folder, and Docker."""

    def _split_scope(self, nodeid: str) -> str:
        return "docker" if nodeid.startswith(WITH_DOCKER) else nodeid.partition("::")[0].rpartition("/")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFolder:
    return ByFolder(config, log)


@pytest.fixture(scope="session")
def offline_classifier() -> KerasClassifier:
    """The real offline model."""
    classifier = load("efficientnet_lite0")
    classifier.warm_up()
    return classifier


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a line on stderr for each."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def web_folder(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address under which a real web server serves its files."""
    folder = tmp_path / "web"
    folder.mkdir()
    with answering(ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))) as server:
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
