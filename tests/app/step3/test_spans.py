"""One trace over gateway, queue and worker: as spans for whoever asks for them, and as an id in every log."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from PIL import Image

from tests.app.http_contract import TRACE_ID, TRACEPARENT
from tests.app.serving import free_port
from tests.app.step3.system import GATEWAY, System, running, serving
from tests.conftest import ROOT
from tests.small_servers import answering

CLIENTS_SPAN = TRACEPARENT.split("-")[2]


class Receiver:
    """Takes what OTLP/HTTP sends, and knows each span by its trace, its service and its name."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, object]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    import gzip  # noqa: PLC0415

                    body = gzip.decompress(body)
                receiver.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    def take(self, sent: ExportTraceServiceRequest) -> None:
        for resource in sent.resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            self.spans += [(names["service.name"], span) for scope in resource.scope_spans for span in scope.spans]

    def trace(self, trace_id: str, count: int) -> dict[str, object]:
        """Wait for that many spans of a trace; return them by their names, with the service before each."""
        deadline = time.monotonic() + 60
        while True:
            found = {f"{name}: {one.name}": one for name, one in list(self.spans) if one.trace_id.hex() == trace_id}
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, sorted(found)
            time.sleep(0.1)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with answering(receiver.server):
        yield receiver


@pytest.fixture(scope="module")
def system(receiver, tmp_path_factory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("spans")
    with running(folder, RUNTIME="tensorflow", WEB_PROCESSES="2", OTLP_ENDPOINT=receiver.address) as system:
        yield system


def noise(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def logged(path, trace_id: str) -> list[dict]:
    deadline = time.monotonic() + 60
    while True:
        lines = [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]
        found = [line for line in lines if line.get("trace_id") == trace_id]
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def test_a_clients_trace_goes_through_gateway_queue_and_worker(system, receiver):
    response = requests.post(
        f"{system.address}/v1/classify", data=noise(1), headers={"traceparent": TRACEPARENT}, timeout=30
    )

    spans = receiver.trace(TRACE_ID, 7)

    assert response.headers["X-Trace-Id"] == TRACE_ID
    assert set(spans) == {
        "gateway: POST /v1/classify",
        "gateway: decode",
        "gateway: preprocess",
        "gateway: ask",
        "gateway: wait",
        "worker: queue",
        "worker: predict",
    }
    request = spans["gateway: POST /v1/classify"]
    assert request.parent_span_id.hex() == CLIENTS_SPAN
    for name in ("decode", "preprocess", "ask", "wait"):
        assert spans[f"gateway: {name}"].parent_span_id == request.span_id
    for name in ("queue", "predict"):
        assert spans[f"worker: {name}"].parent_span_id == spans["gateway: ask"].span_id
    order = [spans[name].start_time_unix_nano for name in ("gateway: decode", "worker: queue", "worker: predict")]
    assert order == sorted(order)
    for span in spans.values():
        assert request.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= request.end_time_unix_nano + 5e6, "two processes round their clocks"
    for log in (system.gateway.output, system.worker_log):
        assert logged(log, TRACE_ID), f"{log.name} does not know the trace"


def test_without_a_clients_trace_one_begins_with_the_id_that_the_answer_names(system, receiver):
    response = requests.post(f"{system.address}/v1/jobs", data=noise(2), timeout=30)

    trace_id = response.headers["X-Trace-Id"]
    spans = receiver.trace(trace_id, 5)

    assert spans["gateway: POST /v1/jobs"].parent_span_id == b""
    assert spans["worker: predict"].parent_span_id == spans["gateway: POST /v1/jobs"].span_id


def test_what_a_client_does_not_want_to_be_traced_is_not(system, receiver):
    unsampled = "4bf92f3577b34da6a3ce929d0e0e4737"

    requests.post(
        f"{system.address}/v1/classify",
        data=noise(3),
        headers={"traceparent": f"00-{unsampled}-00f067aa0ba902b7-00"},
        timeout=30,
    )
    later = requests.post(f"{system.address}/v1/classify", data=noise(4), timeout=30)
    receiver.trace(later.headers["X-Trace-Id"], 7)

    assert not [one for _, one in receiver.spans if one.trace_id.hex() == unsampled]
    assert logged(system.worker_log, unsampled)


def test_a_receiver_that_is_gone_is_no_reason_to_wait_or_to_fail(system, tmp_path):
    nowhere = f"http://127.0.0.1:{free_port()}"

    with serving(GATEWAY, tmp_path, REDIS_URL=system.redis.url, OTLP_ENDPOINT=nowhere) as gateway:
        started = time.monotonic()
        statuses = {requests.get(f"{gateway.address}/livez", timeout=30).status_code for _ in range(50)}
        answered_s = time.monotonic() - started
        started = time.monotonic()
        gateway.stop()
        stopped_s = time.monotonic() - started

    assert statuses == {200}
    assert answered_s < 25, "not half a second for each"
    assert stopped_s < 25, "less than it would have for requests in work"


@pytest.mark.parametrize("module", ["step3_microservices.gateway.app", "step3_microservices.worker.process"])
def test_nothing_of_opentelemetry_is_imported_unless_somebody_asks_for_spans(module):
    program = (
        f"import sys, {module}\n"
        "from step3_microservices.spans import export_spans, record_span, span, traceparent_here\n"
        "export_spans('test', None)\n"
        "with span('nothing'): record_span('nothing', '', 0, 0)\n"
        "traceparent_here('0' * 31 + '1')\n"
        # redis-py imports the part for metrics by itself, where it is installed
        "print({'opentelemetry.sdk.trace', 'opentelemetry.exporter'} & {*sys.modules} or '')"
    )

    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert run.stdout.split() == []
