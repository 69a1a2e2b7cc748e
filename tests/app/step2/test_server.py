"""The server as a whole: how it starts and ends, several processes, slow clients, damaged uploads, its log."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Event, Lock
from typing import BinaryIO
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from shared.classifier.efficientnet_lite0 import packaged_weights
from tests.app.http_contract import CAT, counted, labels
from tests.app.serving import Served, free_port, serving, wait_until, wait_until_answered
from tests.app.step2.conftest import MODULE
from tests.conftest import ROOT, QuietHandler
from tests.model.test_images_damage import ruins
from tests.small_servers import answering

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of a process")


def ask(served: Served, picture: bytes = CAT, **arguments: object) -> requests.Response:
    return requests.post(f"{served.address}/v1/classify", data=picture, timeout=60, **arguments)


def web_processes(served: Served) -> set[int]:
    return {process.pid for process in psutil.Process(served.process.pid).children()}


def log_lines(served: Served) -> list[dict[str, object]]:
    return [json.loads(line) for line in served.output.read_text().splitlines()]


@contextmanager
def connection(served: Served) -> Iterator[socket.socket]:
    address = urlsplit(served.address)
    with socket.create_connection((address.hostname, address.port), timeout=30) as client:
        yield client


def head(size: int) -> bytes:
    """Return the head of a request whose body has this many bytes."""
    return f"POST /v1/classify HTTP/1.1\r\nHost: test\r\nContent-Length: {size}\r\n\r\n".encode()


def drip(client: socket.socket, text: bytes) -> bytes:
    """Send a byte every tenth of a second until the other side has had enough; return what it says to that."""
    client.settimeout(0.1)
    answer = b""
    for position in range(len(text)):
        with suppress(TimeoutError):
            try:
                if not answer:
                    client.sendall(text[position : position + 1])
                piece = client.recv(65536)
            except ConnectionError:
                return answer
            if not piece:
                return answer
            answer += piece
    raise AssertionError("it would have listened for ever")


def refused(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Start a server that is expected to end by itself."""
    environment = os.environ | {"MODEL": "efficientnet_lite0", "PORT": str(free_port())} | settings
    command = [sys.executable, "-m", MODULE]
    return subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env=environment | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=180,
    )


# --- starting --------------------------------------------------------------------------------------------------------


def test_a_port_that_is_taken_ends_the_start_with_2(service, tmp_path):
    port = str(urlsplit(service.address).port)

    result = refused(tmp_path, PORT=port)

    assert result.returncode == 2
    assert f"127.0.0.1:{port} cannot be served on (Address already in use)" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("THREADS", "many"),
        ("PORT", "99999"),
        ("RATE_LIMIT", "often"),
        ("RATE_LIMIT_STORAGE", "nonsense://here"),
        ("GOLDEN_IMAGE", "nowhere.jpg"),
        ("API_KEYS_SHA256", "secret"),
        ("HOST", "no-such-host.invalid"),
    ],
)
def test_a_setting_that_cannot_work_ends_the_start_with_2_and_is_named(tmp_path, name, value):
    result = refused(tmp_path, **{name: value})

    assert result.returncode == 2
    assert value in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_without_its_model_the_server_ends_and_does_not_try_for_ever(tmp_path):
    result = refused(tmp_path, MODEL="inception_v3", WEIGHTS="missing.h5", WEB_PROCESSES="2")

    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode not in {0, 2}
    assert "There is no file missing.h5." in result.stderr
    assert "Traceback" not in result.stderr
    assert sum("Booting worker" in line["message"] for line in lines) == 2
    assert next(line["code"] for line in lines if line["level"] == "critical") == "weights_unavailable"
    assert list(tmp_path.iterdir()) == []


class Hub(ThreadingHTTPServer):
    """Gives the weights away once it may."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), partial(HubHandler, directory=str(packaged_weights().parent)))
        self.address = f"http://127.0.0.1:{self.server_port}/{packaged_weights().name}"
        self.may_give = Event()


class HubHandler(QuietHandler):
    server: Hub

    def send_head(self) -> BytesIO | BinaryIO | None:
        self.server.may_give.wait()
        return super().send_head()


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with answering(Hub()) as hub:
        yield hub
        hub.may_give.set()


@pytest.fixture(scope="module")
def young_service(hub, tmp_path_factory):
    """A server of one's own that cannot load its model before the hub gives the weights."""
    folder = tmp_path_factory.mktemp("young")
    settings = {"TMPDIR": str(folder), "KERAS_HOME": str(folder / "keras"), "WEIGHTS": hub.address}
    with serving(MODULE, folder, until_ready=False, **settings) as served:
        yield served


def test_while_the_model_loads_the_server_lives_and_is_not_ready(young_service, hub):
    alive, ready, picture = (
        requests.get(f"{young_service.address}/livez", timeout=10),
        requests.get(f"{young_service.address}/readyz", timeout=10),
        ask(young_service),
    )

    assert alive.status_code == 200
    for response in (ready, picture):
        assert (response.status_code, response.json()["code"]) == (503, "not_ready")
        assert int(response.headers["Retry-After"]) > 0
    hub.may_give.set()
    wait_until_answered(f"{young_service.address}/readyz", young_service.process)


# --- a server in use -------------------------------------------------------------------------------------------------


def test_damaged_uploads_of_any_sort_leave_the_server_as_it_was(service):
    before = web_processes(service)

    statuses, early_mb = ruined(service, 200, seed=20), resident_mb(service)
    statuses += ruined(service, 400, seed=21)

    assert set(statuses) == {200, 415, 422}, statuses
    assert min(statuses[200], statuses[422]) > 30
    assert web_processes(service) == before
    assert resident_mb(service) < 1.1 * early_mb
    assert labels(ask(service).json())[0] == "Egyptian cat"


def ruined(served: Served, count: int, seed: int) -> Counter[int]:
    with ThreadPoolExecutor(4) as clients:
        return Counter(answer.status_code for answer in clients.map(partial(ask, served), ruins(count, seed)))


def resident_mb(served: Served) -> float:
    return sum(psutil.Process(pid).memory_info().rss for pid in web_processes(served)) / 1e6


def test_many_clients_at_once_are_all_answered(service):
    with ThreadPoolExecutor(32) as clients:
        answers = list(clients.map(lambda _: ask(service), range(160)))

    assert {labels(answer.json())[0] for answer in answers} == {"Egyptian cat"}


@on_linux
def test_an_upload_is_never_written_to_disk(service):
    """Half of it has been read by then; temporary files that have no name show among the open ones."""
    form = requests.Request("POST", service.address, files={"image": ("cat.jpg", CAT + bytes(10 * 2**20))}).prepare()
    lines = [f"POST /v1/classify HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {len(form.body)}"]
    lines += [f"Content-Type: {form.headers['Content-Type']}\r\n\r\n"]
    middle = len(form.body) * 2 // 3

    with connection(service) as client:
        before = files_of(service)
        client.sendall("\r\n".join(lines).encode() + form.body[:middle])
        time.sleep(0.5)
        during = files_of(service)
        client.sendall(form.body[middle:])
        answer = client.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 200")
    assert during == before
    assert files_of(service) == before


def files_of(served: Served) -> set[str]:
    """Return the files that the server's processes have open, and those in the folder for temporary ones."""
    listed = {str(path) for path in served.output.parent.rglob("*")}
    for pid in {served.process.pid, *web_processes(served)}:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # a connection, say, that has just been closed
                target = str(descriptor.readlink())
                if target.startswith("/"):
                    listed.add(f"{pid}: {target}")
    return listed


def test_every_request_is_one_line_of_json_on_standard_output_and_nothing_else_is_there(service):
    ids = [f"{number:032x}" for number in range(1, 7)]
    doors = [
        ("POST", "/v1/classify", CAT, 200, None),
        ("POST", "/v1/classify", b"no picture", 415, "not_an_image"),
        ("POST", "/v1/classify?top_k=0", CAT, 400, "request_invalid"),
        ("GET", "/livez", None, 200, None),
        ("GET", "/nowhere\r\n{}", None, 404, "not_found"),
        ("POST", "/v1/classify", bytes(21 * 2**20), 413, "image_too_large"),
    ]

    for trace_id, (method, path, body, _, _) in zip(ids, doors, strict=True):
        headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
        requests.request(method, service.address + path, data=body, headers=headers, timeout=10)

    lines = log_lines(service)
    for trace_id, (method, path, _, status, code) in zip(ids, doors, strict=True):
        (line,) = [line for line in lines if line.get("trace_id") == trace_id]
        assert (line["method"], line["path"], line["status"]) == (method, path.partition("?")[0], status)
        assert line.get("code") == code
        assert 0 < line["duration_ms"] < 10_000
        assert line["client"] == "127.0.0.1"
        assert {"time", "level", "logger", "message"} <= set(line)


def test_what_a_client_sends_as_a_head_cannot_end_up_as_a_line_of_its_own_in_the_log(service):
    with connection(service) as client:
        client.sendall(b"GET /%0a%7b%22forged%22:1%7d HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        client.makefile("rb").read()
    with connection(service) as client:
        client.sendall(b"this is\nno HTTP at all\r\n\r\n")
        client.makefile("rb").read()

    assert not [line for line in log_lines(service) if "forged" in line]


def test_a_client_that_goes_away_harms_nobody(service):
    before = web_processes(service)

    for size in (0, 10, 20_000):
        with connection(service) as client:
            client.sendall(head(len(CAT)) + CAT[:size])
    for _ in range(5):
        with connection(service) as client:
            client.sendall(head(len(CAT)) + CAT)

    assert labels(ask(service).json())[0] == "Egyptian cat"
    assert web_processes(service) == before
    wait_until(lambda: counted(service.address)["http_requests_in_progress",] == 1)  # the one that asks
    assert not [line for line in log_lines(service) if "trace" in line]


def test_a_refused_client_that_pauses_before_it_sends_the_rest_gets_to_know_too(service):
    body = bytes(40 * 2**20)
    with connection(service) as client:
        client.sendall(head(len(body)) + body[: len(body) // 2])
        time.sleep(2.5)
        client.sendall(body[len(body) // 2 :])
        answer = client.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("chunks", [b"zz\r\nrubbish", b"5\r\nrubbish without an end", b"-1\r\n\r\n"])
def test_a_body_that_breaks_the_rules_of_http_is_the_clients_fault(service, chunks):
    with connection(service) as client:
        client.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        client.shutdown(socket.SHUT_WR)
        answer = client.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 4")


def test_half_an_upload_is_never_taken_for_a_picture(service):
    """An image whose end is lost might still be read as far as it goes."""
    picture = CAT + bytes(1000)
    with connection(service) as client:
        client.sendall(head(len(picture)) + picture[:-500])
        client.shutdown(socket.SHUT_WR)
        answer = client.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 408 ")


# --- slow clients ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hasty_service(tmp_path_factory):
    """A server of two threads that waits no longer than a second for a request."""
    settings = {"THREADS": "2", "UPLOAD_TIMEOUT_S": "1", "ANSWER_TIMEOUT_S": "5", "SEND_TIMEOUT_S": "1"}
    with serving(MODULE, tmp_path_factory.mktemp("hasty"), **settings) as served:
        yield served


FORM_HEAD = (
    b"POST %s HTTP/1.1\r\nHost: test\r\nContent-Type: multipart/form-data; boundary=X\r\nContent-Length: 30000\r\n\r\n"
    b'--X\r\nContent-Disposition: form-data; name="image"; filename="cat.jpg"\r\n\r\n'
)
CHUNKED_HEAD = b"POST /v1/classify HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n7000\r\n"


@pytest.mark.parametrize(
    "begin",
    [head(len(CAT)), FORM_HEAD % b"/v1/classify", CHUNKED_HEAD],
    ids=["body", "form", "body without a length"],
)
def test_a_client_that_drips_its_picture_is_told_that_it_took_too_long(hasty_service, begin):
    started = time.monotonic()

    with connection(hasty_service) as client:
        client.sendall(begin)
        answer = drip(client, CAT)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code": "upload_timeout"' in answer
    assert 0.9 < time.monotonic() - started < 30


def test_a_browser_that_drips_its_form_is_told_so_by_the_page(hasty_service):
    with connection(hasty_service) as client:
        client.sendall(FORM_HEAD % b"/")
        answer = drip(client, CAT)

    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("text", [b"POST /v1/classify HTTP/1.1\r\nX-Slow: " + bytes(200), b"\r\n" * 100])
def test_a_client_that_drips_its_head_is_cut_off(hasty_service, text):
    started = time.monotonic()

    with connection(hasty_service) as client:
        answer = drip(client, text)

    assert b" 200 " not in answer
    assert time.monotonic() - started < 15, "all of it takes 20 s"


def test_slow_clients_on_every_thread_keep_the_others_waiting_no_longer_than_they_may_take(hasty_service):
    with ThreadPoolExecutor(4) as clients:
        slow = [clients.submit(drip_a_picture, hasty_service) for _ in range(4)]
        time.sleep(0.3)
        started = time.monotonic()
        answer = ask(hasty_service)
        waited_s = time.monotonic() - started

        assert answer.status_code == 200
        assert waited_s < 30
        assert [one.result()[:12] for one in slow] == [b"HTTP/1.1 408"] * 4


def drip_a_picture(served: Served) -> bytes:
    with connection(served) as client:
        client.sendall(head(len(CAT)))
        return drip(client, CAT)


def test_silent_connections_on_every_thread_keep_nobody_waiting_for_long(hasty_service):
    with connection(hasty_service), connection(hasty_service), connection(hasty_service):
        started = time.monotonic()
        answer = ask(hasty_service)

    assert answer.status_code == 200
    assert time.monotonic() - started < 30


def test_a_hundred_silent_connections_keep_nobody_waiting(hasty_service):
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(connection(hasty_service))
        started = time.monotonic()
        answer = ask(hasty_service)

    assert answer.status_code == 200
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("version", ["1.0", "1.1\r\nHost: test\r\nConnection: close"])
def test_clients_that_do_not_close_keep_nobody_waiting(hasty_service, version):
    before = web_processes(hasty_service)
    with ExitStack() as stack:
        for _ in range(60):
            client = stack.enter_context(connection(hasty_service))
            client.sendall(f"GET /livez HTTP/{version}\r\n\r\n".encode())
        started = time.monotonic()
        answer = ask(hasty_service)

        assert answer.status_code == 200
        assert time.monotonic() - started < 30
        assert web_processes(hasty_service) == before


def test_clients_that_do_not_read_are_cut_off(hasty_service):
    """They ask for megabytes, more than fits between them and the server, and leave it there."""
    wanted = b"GET /docs/swagger/js/swagger-ui-bundle.js HTTP/1.1\r\nHost: test\r\n\r\n" * 8
    with ExitStack() as stack:
        for _ in range(2):  # as many as there are threads
            client = stack.enter_context(connection(hasty_service))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.sendall(wanted)
        time.sleep(1)
        answer = ask(hasty_service)

    assert answer.status_code == 200


def test_a_form_that_would_take_many_times_its_size_is_not_read(service):
    before = resident_mb(service)
    answer = requests.post(
        service.address,
        data=b"a&" * (8 * 2**20),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        timeout=30,
    )

    assert answer.status_code == 415
    assert resident_mb(service) < before + 100


def test_an_honest_client_may_take_its_time_between_two_requests(hasty_service):
    with requests.Session() as session:
        first = session.get(f"{hasty_service.address}/livez", timeout=10)
        time.sleep(2.5)
        second = session.get(f"{hasty_service.address}/livez", timeout=10)

    assert first.ok
    assert second.ok


# --- two web processes -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def redis_address(tmp_path_factory):
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server on PATH")
    port = free_port()
    command = [program, "--port", str(port), "--save", "", "--bind", "127.0.0.1"]
    folder = tmp_path_factory.mktemp("redis")
    with (folder / "out").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, cwd=folder)
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except ConnectionRefusedError:
            assert process.poll() is None
            time.sleep(0.05)
    yield f"redis://127.0.0.1:{port}"
    process.terminate()
    process.wait()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A server of two web processes, both ready."""
    with serving(MODULE, tmp_path_factory.mktemp("pair"), WEB_PROCESSES="2") as served:
        wait_for_ready(served, 2)
        yield served


def wait_for_ready(served: Served, count: int) -> None:
    """Wait until this many processes have told the log that their model is ready."""
    wait_until(lambda: sum(line["message"] == "ready" for line in log_lines(served)) >= count)


def test_figures_are_summed_over_all_web_processes(pair):
    with ThreadPoolExecutor(8) as clients:
        statuses = list(clients.map(lambda _: ask(pair).status_code, range(40)))

    figures = [counted(pair.address) for _ in range(6)]
    assert statuses == [200] * 40
    assert {figure["classifier_images_total", "outcome=answered"] for figure in figures} == {
        40 + golden_answers(figures[-1])
    }
    assert {figure["http_requests_in_progress",] for figure in figures} == {1}
    model_versions = [value for (name, *_), value in figures[0].items() if name == "classifier_model_info"]
    assert model_versions == [1]


def golden_answers(figures: dict[tuple[str, ...], float]) -> float:
    """Return how many of the pictures were golden ones: what was answered, less what came by the doors."""
    came = sum(
        value
        for (name, *its), value in figures.items()
        if name == "http_requests_total" and "endpoint=api.classify_uploads" in its and "status=200" in its
    )
    return figures["classifier_images_total", "outcome=answered"] - came


@on_linux
def test_tensorflow_is_in_every_web_process_and_not_in_their_parent(pair):
    parent, children = pair.process.pid, web_processes(pair)

    assert len(children) == 2
    assert "libtensorflow" not in Path(f"/proc/{parent}/maps").read_text()
    for child in children:
        assert "libtensorflow" in Path(f"/proc/{child}/maps").read_text()


def test_a_web_process_that_dies_is_replaced_and_what_it_counted_stays(pair):
    before = web_processes(pair)
    answered = counted(pair.address)["classifier_images_total", "outcome=answered"]

    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_for_ready(pair, 4)

    assert len(web_processes(pair)) == 2
    assert web_processes(pair).isdisjoint(before)
    assert labels(ask(pair).json())[0] == "Egyptian cat"
    figures = counted(pair.address)
    assert figures["classifier_images_total", "outcome=answered"] >= answered + 1
    assert figures["http_requests_in_progress",] == 1


def test_two_web_processes_count_a_clients_requests_together(redis_address, tmp_path):
    settings = {"WEB_PROCESSES": "2", "RATE_LIMIT": "10/hour", "RATE_LIMIT_STORAGE": redis_address}
    with serving(MODULE, tmp_path, **settings) as served:
        wait_for_ready(served, 2)

        with ThreadPoolExecutor(4) as clients:
            responses = list(clients.map(lambda _: ask(served), range(30)))

        assert Counter(response.status_code for response in responses) == {200: 10, 429: 20}
        refusal = next(response for response in responses if response.status_code == 429)
        assert refusal.json()["code"] == "rate_limited"
        assert 3000 < int(refusal.headers["Retry-After"]) <= 3600
        assert requests.get(f"{served.address}/livez", timeout=10).ok


# --- ending ----------------------------------------------------------------------------------------------------------


def test_a_server_that_is_told_to_end_under_load_answers_what_it_has_and_refuses_the_rest(young_service, hub):
    hub.may_give.set()
    wait_until_answered(f"{young_service.address}/readyz", young_service.process)
    load = Load(young_service)

    with ThreadPoolExecutor(8) as clients:
        try:
            ends = [clients.submit(load.ask_until_refused) for _ in range(8)]
            wait_until(lambda: len(load.statuses) > 16)
            load.ends.set()
            # Whoever has begun before is known to the server, and not only to the kernel.
            wait_until(lambda: load.pausing + counted(young_service.address)["http_requests_in_progress",] - 1 == 8)
            load.goes_on.set()
            code = young_service.stop()
        finally:
            load.stop()

    assert code == 0
    assert set(load.statuses) == {200}
    assert {end.result() for end in ends} == {"refused"}
    assert not list(young_service.output.parent.glob("metrics-*"))


@dataclass
class Load:
    """What clients ask before the signal and after it, and wait in between."""

    served: Served
    statuses: list[int] = field(default_factory=list)  # of what began before
    pausing: int = 0
    ends: Event = field(default_factory=Event)
    goes_on: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)

    def ask_until_refused(self) -> str:
        """Post until no connection is made any more; return whether that was to be expected."""
        while not self.ends.is_set():
            try:
                self.statuses.append(ask(self.served).status_code)
            except requests.ConnectionError:
                return "cut off"
        with self.lock:
            self.pausing += 1
        self.goes_on.wait()
        with suppress(requests.ConnectionError):
            while True:
                ask(self.served)
        return "refused"

    def stop(self) -> None:
        """Let no client ask for ever where the test has failed."""
        self.ends.set()
        self.goes_on.set()
        self.served.process.terminate()
