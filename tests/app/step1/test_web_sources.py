"""Pictures behind addresses, from a real web server."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.conftest import SAMPLES


class EndlessHandler(BaseHTTPRequestHandler):
    """Sends bytes until the reader has had enough, and tells how many went out."""

    sent = 0

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while EndlessHandler.sent < 1_000_000_000:
                EndlessHandler.sent += self.wfile.write(b"\xff\xd8\xff" + b"x" * 65_533)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def endless_address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), EndlessHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/endless.jpg"
        server.shutdown()
        thread.join()


def test_a_picture_is_fetched_and_whatever_cannot_be_is_told(classify, web_folder):
    folder, address = web_folder
    (folder / "cat.jpg").write_bytes((SAMPLES / "cat.jpg").read_bytes())
    (folder / "page.jpg").write_text("<!doctype html><html><body>Not found, but politely.</body></html>")
    sources = [f"{address}/{name}" for name in ("cat.jpg", "page.jpg", "missing.jpg")]

    result = classify(
        *sources, "http://127.0.0.1:9/cat.jpg", "http://no-such-host.invalid/cat.jpg", "--format", "jsonl"
    )

    cat, page, missing, refused, unknown = (json.loads(line) for line in result.stdout.splitlines())
    assert result.returncode == 1
    assert cat["source"] == sources[0]
    assert cat["predictions"][0]["label"] == "Egyptian cat"
    assert page["error"]["code"] == "not_an_image"
    assert "404" in missing["error"]["detail"]
    assert {record["error"]["code"] for record in (missing, refused, unknown)} == {"source_unreadable"}


def test_the_limit_applies_while_downloading(classify, endless_address):
    result = classify(endless_address, "--max-bytes", 1_000_000, "--format", "json")

    (record,) = json.loads(result.stdout)
    assert record["error"]["code"] == "image_too_large"
    assert EndlessHandler.sent < 50_000_000, "the rest stays in the buffers of the connection"
