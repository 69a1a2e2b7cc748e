"""Pictures behind addresses, from a real web server."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep

import pytest

from step1_script import sources
from tests.conftest import SAMPLES
from tests.small_servers import answering


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


class OddHandler(BaseHTTPRequestHandler):
    """Answers as servers should not."""

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                for _ in range(300):
                    self.wfile.write(b"\xff")
                    sleep(0.02)
        elif self.path == "/nowhere":
            self.send_response(302)
            self.send_header("Location", "http://.example..com/")
            self.end_headers()
        else:
            self.send_response(500, "Oh \x1b[31mno")
            self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with answering(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture
def endless_address() -> Iterator[str]:
    with serving(EndlessHandler) as address:
        yield f"{address}/endless.jpg"


@pytest.fixture
def odd_address() -> Iterator[str]:
    with serving(OddHandler) as address:
        yield address


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


def test_addresses_that_make_no_sense_are_failures_like_others(classify, odd_address):
    nonsense = ["http://[::1", "http://[127.0.0.1]/", "http://a\u2100b/", "http://user:\u2603@host.invalid/"]
    nonsense.append(f"{odd_address}/nowhere")

    result = classify(*nonsense, SAMPLES / "cat.jpg", "--format", "jsonl")

    *failures, cat = (json.loads(line) for line in result.stdout.splitlines())
    assert {record["error"]["code"] for record in failures} == {"source_unreadable"}
    assert cat["predictions"][0]["label"] == "Egyptian cat"


def test_a_server_cannot_command_the_terminal(classify, odd_address):
    result = classify(f"{odd_address}/angry")

    assert "500 Oh" in result.stderr
    assert "\x1b" not in result.stderr


def test_a_server_that_sends_a_byte_now_and_then_is_given_up(odd_address, monkeypatch):
    monkeypatch.setattr(sources, "_DOWNLOAD_TIMEOUT_S", 0.5)
    (slow,) = sources.find_sources([f"{odd_address}/slow"])

    with pytest.raises(sources.SourceError, match="took over"):
        slow.read(1_000_000)
