"""What a deployment has to pass, against real servers of every kind of wrongness."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from step5_orchestration.deploy.errors import SmokeTestError
from step5_orchestration.deploy.smoke_test import CAT, smoke_test
from tests.app.serving import free_port
from tests.small_servers import answering

GOOD = {
    "predictions": [{"class_index": 281, "wnid": "n02123045", "label": "tabby", "probability": 0.6}],
    "model_version": "inception_v3-0123",
}


@contextmanager
def service(
    answer: object, *, status: int = 200, unready: int = 0, key: str | None = None
) -> Iterator[tuple[str, list[bytes]]]:
    """Answer every picture with this, to whoever has the key; `unready` probes are refused first.

    Yield the address, and what was sent.
    """
    probes, pictures = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            probes.append(self.path)
            self.reply(503 if len(probes) <= unready else 200, {})

        def do_POST(self) -> None:
            pictures.append(self.rfile.read(int(self.headers["Content-Length"])))
            is_known = key is None or self.headers["Authorization"] == f"Bearer {key}"
            self.reply(status if is_known else 401, answer)

        def reply(self, status: int, body: object) -> None:
            encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, *_: object) -> None:
            pass

    with answering(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}", pictures


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def check(pauses) -> Callable[[str], None]:
    """Test an address, with pauses that take no time."""
    return lambda address: smoke_test(address, timeout_s=20, sleep=pauses.append)


def test_the_golden_picture_answered_right_passes(check):
    with service(GOOD) as (address, pictures):
        check(address + "/")

    assert pictures == [CAT.read_bytes()]


def test_readiness_is_waited_for(check, pauses):
    with service(GOOD, unready=3) as (address, _):
        check(address)

    assert len(pauses) == 3


def test_a_model_with_labels_of_its_own_may_answer_anything(check):
    with service(GOOD | {"predictions": [{"wnid": None, "label": "pet", "probability": 0.9}]}) as (address, pictures):
        check(address)

    assert len(pictures) == 1


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (GOOD | {"predictions": [{"wnid": "n04552348", "label": "warplane"}]}, "sees 'warplane' in the golden picture"),
        (GOOD | {"model_version": ""}, "does not say which model_version"),
        ({"predictions": GOOD["predictions"]}, "answers with something else"),
        (GOOD | {"predictions": []}, "answers with something else"),
        ([], "answers with status 200"),
        (b"<html>", "answers with status 200: <html>"),
    ],
)
def test_a_wrong_answer_does_not_pass(check, answer, complaint):
    with service(answer) as (address, _), pytest.raises(SmokeTestError, match=complaint):
        check(address)


def test_a_refusal_does_not_pass_and_is_quoted(check):
    with (
        service({"code": "queue_full"}, status=429) as (address, _),
        pytest.raises(SmokeTestError, match=r"status 429: .*queue_full"),
    ):
        check(address)


def test_a_page_of_a_proxy_is_told_with_its_status(check):
    page = b"<html><h1>502 Bad Gateway</h1>" + b" " * 1000

    with (
        service(page, status=502) as (address, _),
        pytest.raises(SmokeTestError, match="status 502: <html><h1>502 Bad Gateway") as failure,
    ):
        check(address)

    assert len(failure.value.detail) < 300


def test_a_service_that_asks_for_a_key_gets_it():
    with service(GOOD, key="our key") as (address, pictures):
        smoke_test(address, timeout_s=20, api_key="our key")

        with pytest.raises(SmokeTestError, match="status 401"):
            smoke_test(address, timeout_s=20)

    assert len(pictures) == 2


def test_what_never_becomes_ready_is_given_up(check, pauses):
    with (
        service(GOOD, unready=1000) as (address, pictures),
        pytest.raises(SmokeTestError, match="within 20 s; the last try gave status 503"),
    ):
        check(address)

    assert pictures == []
    assert len(pauses) < 20


def test_nobody_there_is_given_up(check):
    with pytest.raises(SmokeTestError, match="the last try gave ConnectionError") as failure:
        check(f"http://127.0.0.1:{free_port()}")

    assert "logs" in failure.value.remedy
