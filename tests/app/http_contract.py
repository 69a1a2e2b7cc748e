"""What every step that answers over HTTP promises its clients, as one suite that speaks nothing but HTTP.

A step runs it against its own server: `class TestHttpContract(HttpContract)` beside a fixture `address`, the base URL
of a running, ready service with the offline model and with settings that nobody has touched.
"""

import io
import json
import re
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from html.parser import HTMLParser
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from tests.app.serving import wait_until
from tests.conftest import ROOT, SAMPLES

CAT = (SAMPLES / "cat.jpg").read_bytes()
COFFEE = (SAMPLES / "coffee.jpg").read_bytes()
CATS = {"Egyptian cat", "tabby", "tiger cat"}
MAX_IMAGE_BYTES = 20 * 1024 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_IMAGES = 16
SIDEWAYS = 6  # of EXIF's orientations, the one of a phone held upright

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def encoded(picture: Image.Image, file_format: str, **options: object) -> bytes:
    """Encode by Pillow, with pillow-heif where the format is HEIF."""
    if file_format == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def cat_as(file_format: str) -> bytes:
    with Image.open(io.BytesIO(CAT)) as photograph:
        return encoded(photograph, file_format)


def announcing(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes whose header announces this many pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = b"IEND"
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (header, b"IDAT" + zlib.compress(bytes(64)), end)
    )


def parts(*pictures: bytes, name: str = "image") -> list[tuple[str, tuple[str, bytes]]]:
    """Return a form's files: each picture under the same field's name, called 0.jpg, 1.jpg and so on."""
    return [(name, (f"{number}.jpg", picture)) for number, picture in enumerate(pictures)]


def in_pieces(size: int) -> Iterator[bytes]:
    """Yield a picture again and again until there is more than this: such a body is sent without a Content-Length."""
    for _ in range(size // len(CAT) + 1):
        yield CAT


def cut_short() -> bytes:
    return CAT[: len(CAT) // 2]


def damaged() -> bytes:
    """Return a PNG whole to its end, with a header that makes no sense."""
    file = bytearray(cat_as("PNG"))
    depth = file.index(b"IHDR") + 12
    file[depth : depth + 2] = b"\x7e\x7e"
    return bytes(file)


@cache
def answers_of_the_script() -> dict[str, dict[str, Any]]:
    """Return what step 1 prints for the sample pictures, by file name, one picture in each batch."""
    command = [sys.executable, "-m", "step1_script.classify", "--model", "efficientnet_lite0", "--batch-size", "1"]
    output = subprocess.run([*command, "--format", "json", str(SAMPLES)], cwd=ROOT, check=True, capture_output=True)
    return {Path(answer.pop("source")).name: answer for answer in json.loads(output.stdout)}


def without_timings(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "timings_ms"}


def labels(answer: dict[str, Any]) -> list[str]:
    return [prediction["label"] for prediction in answer["predictions"]]


def counted(address: str) -> dict[tuple[str, ...], float]:
    """Return all samples of /metrics by name and labels."""
    text = requests.get(f"{address}/metrics", timeout=10).text
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class Links(HTMLParser):
    """Collects what a page loads: the addresses of its scripts, styles and pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        name = {"script": "src", "img": "src", "link": "href"}.get(tag)
        self.found += [value for key, value in attrs if key == name and value and value.startswith("/")]


def loaded_by(address: str, page: str) -> list[str]:
    links = Links()
    links.feed(requests.get(address + page, timeout=10).text)
    return links.found


# What is wrong with a request, what it is answered with, and how it is asked.
PROBLEMS: dict[str, tuple[int, str, dict[str, Any]]] = {
    "no body": (400, "image_missing", {}),
    "a form without files": (400, "image_missing", {"files": {"text": (None, "hello")}}),
    "a form whose file has another name": (400, "image_missing", {"files": parts(CAT, name="picture")}),
    "a form that nobody filled in": (400, "image_missing", {"files": {"image": ("", b"")}}),
    "top_k=0": (400, "request_invalid", {"data": CAT, "params": {"top_k": 0}}),
    "top_k=1001": (400, "request_invalid", {"data": CAT, "params": {"top_k": 1001}}),
    "top_k=many": (400, "request_invalid", {"data": CAT, "params": {"top_k": "many"}}),
    "explain=perhaps": (400, "request_invalid", {"data": CAT, "params": {"explain": "perhaps"}}),
    "an unknown parameter": (400, "request_invalid", {"data": CAT, "params": {"topk": 3}}),
    "too many pictures": (400, "request_invalid", {"files": parts(*[CAT] * (MAX_IMAGES + 1))}),
    "a form without its boundary": (
        400,
        "request_invalid",
        {"data": b"hello", "headers": {"Content-Type": "multipart/form-data"}},
    ),
    "a form without its end": (
        400,
        "request_invalid",
        {
            "data": b'--X\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nabc',
            "headers": {"Content-Type": "multipart/form-data; boundary=X"},
        },
    ),
    "text": (415, "media_type_unsupported", {"data": "hello", "headers": {"Content-Type": "text/plain"}}),
    "JSON": (415, "media_type_unsupported", {"json": {"image": "cat.jpg"}}),
    "a document": (415, "not_an_image", {"data": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3"}),
    "noise": (415, "not_an_image", {"files": parts(bytes(range(256)))}),
    "an icon": (415, "image_type_unsupported", {"data": cat_as("ICO")}),
    "a drawing": (415, "image_type_unsupported", {"data": b'<svg xmlns="http://www.w3.org/2000/svg"></svg>'}),
    "an empty file": (422, "image_empty", {"files": parts(b"")}),
    "half a file": (422, "image_truncated", {"data": cut_short()}),
    "a damaged file": (422, "image_unreadable", {"data": damaged()}),
    "a bomb": (422, "image_too_many_pixels", {"data": announcing(100_000, 100_000)}),
}


class HttpContract:
    """The suite."""

    @pytest.fixture
    def ask(self, address: str) -> Callable[..., requests.Response]:
        """Post to the door for pictures; a picture goes as the body, unless other arguments are given."""

        def post(picture: bytes | None = None, **arguments: Any) -> requests.Response:  # noqa: ANN401 - as requests has it
            if picture is not None:
                arguments["data"] = picture
            return requests.post(f"{address}/v1/classify", timeout=60, **arguments)

        return post

    # --- answers ------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("name", ["cat.jpg", "coffee.jpg", "astronaut.jpg", "rocket.jpg"])
    def test_the_same_picture_gives_the_same_answer_as_the_script(self, ask, name):
        answer = ask((SAMPLES / name).read_bytes()).json()

        expected = answers_of_the_script()[name]
        assert without_timings(answer) == without_timings(expected)
        assert set(answer["timings_ms"]) == set(expected["timings_ms"])

    @pytest.mark.parametrize(
        "media_type", [None, "image/jpeg", "image/*", "application/octet-stream", "application/x-www-form-urlencoded"]
    )
    def test_a_picture_may_be_the_body_whatever_it_is_called(self, ask, media_type):
        answer = ask(CAT, headers={"Content-Type": media_type}).json()

        assert without_timings(answer) == without_timings(ask(files=parts(CAT)).json())

    def test_the_bytes_tell_the_type_and_not_what_they_are_called(self, ask):
        answer = ask(files={"image": ("cat.gif", cat_as("PNG"), "image/gif")}).json()

        assert answer["image"]["format"] == "PNG"

    def test_a_body_without_a_length_is_read_to_its_end(self, ask):
        answer = ask(data=iter([CAT[:1000], CAT[1000:]])).json()

        assert answer["image"]["bytes"] == len(CAT)
        assert labels(answer)[0] in CATS

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"])
    def test_every_type_of_picture_is_answered(self, ask, file_format):
        answer = ask(cat_as(file_format)).json()

        assert answer["image"]["format"] == file_format
        assert labels(answer)[0] in CATS

    def test_a_rotated_phone_photo_gives_the_same_answer_as_upright(self, ask):
        with Image.open(io.BytesIO(CAT)) as photograph:
            exif = Image.Exif()
            exif[274] = SIDEWAYS
            lying = encoded(photograph.transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)

        rotated, upright = ask(lying).json(), ask(cat_as("PNG")).json()

        assert rotated["predictions"] == upright["predictions"]
        assert (rotated["image"]["width"], rotated["image"]["height"]) == (451, 300)

    @pytest.mark.parametrize("top_k", [1, 7, 1000])
    def test_as_many_labels_are_given_as_are_asked_for(self, ask, top_k):
        predictions = ask(CAT, params={"top_k": top_k}).json()["predictions"]

        probabilities = [prediction["probability"] for prediction in predictions]
        assert len(predictions) == len({prediction["class_index"] for prediction in predictions}) == top_k
        assert probabilities == sorted(probabilities, reverse=True)

    def test_an_explanation_comes_only_where_it_is_asked_for(self, ask):
        plain, explained = ask(CAT).json(), ask(CAT, params={"explain": "true"}).json()

        explanation = explained["explanation"]
        left, top, right, bottom = explanation["region"]
        assert "explanation" not in plain
        assert explained["predictions"] == plain["predictions"]
        assert explanation["class_index"] == plain["predictions"][0]["class_index"]
        assert [len(row) for row in explanation["grid"]] == [7] * 7
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1

    def test_who_ask_at_once_get_what_each_asked_for(self, ask):
        pictures = [CAT, COFFEE] * 12

        with ThreadPoolExecutor(8) as clients:
            answers = [response.json() for response in clients.map(ask, pictures)]

        alone = {picture: ask(picture).json() for picture in (CAT, COFFEE)}
        for picture, answer in zip(pictures, answers, strict=True):
            assert labels(answer) == labels(alone[picture])
            assert answer["predictions"][0]["probability"] == pytest.approx(
                alone[picture]["predictions"][0]["probability"], abs=1e-5
            )

    # --- several pictures ---------------------------------------------------------------------------------------------

    def test_several_pictures_are_answered_in_their_order_and_a_bad_one_does_not_fail_the_others(self, ask):
        response = ask(files=parts(COFFEE, cut_short(), CAT, b"no picture", COFFEE))

        results = response.json()["results"]
        assert response.status_code == 200
        assert [result["name"] for result in results] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg"]
        assert [set(result) for result in results] == [
            {"name", "answer"},
            {"name", "problem"},
            {"name", "answer"},
            {"name", "problem"},
            {"name", "answer"},
        ]
        assert [results[number]["problem"]["code"] for number in (1, 3)] == ["image_truncated", "not_an_image"]
        assert [labels(results[number]["answer"])[0] for number in (0, 4)] == ["espresso"] * 2
        assert labels(results[2]["answer"])[0] in CATS

    def test_as_many_pictures_as_allowed_are_answered_like_one_alone(self, ask):
        results = ask(files=parts(*[CAT] * MAX_IMAGES)).json()["results"]

        alone = ask(CAT).json()
        assert len(results) == MAX_IMAGES
        assert {tuple(labels(result["answer"])) for result in results} == {tuple(labels(alone))}

    def test_names_come_back_as_they_were_sent(self, ask):
        names = ["Katze für Zoë.jpg", "猫.jpg", '<b onclick="x">.jpg', "../../etc/passwd"]

        results = ask(files=[("image", (name, CAT)) for name in names]).json()["results"]

        assert [result["name"] for result in results] == names

    # --- problems -----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("wrong", PROBLEMS)
    def test_what_is_wrong_is_told_by_a_problem_document(self, ask, wrong):
        status, code, request = PROBLEMS[wrong]

        response = ask(**request)

        assert (response.status_code, response.json()["code"]) == (status, code)
        assert_problem(response)

    def test_a_bad_request_does_not_harm_the_next_one_on_its_connection(self, address):
        with requests.Session() as session:
            for _, _, request in PROBLEMS.values():
                session.post(f"{address}/v1/classify", timeout=60, **request)
                assert session.post(f"{address}/v1/classify", timeout=60, data=CAT).status_code == 200

    @pytest.mark.parametrize(
        "body",
        [
            {"data": bytes(MAX_IMAGE_BYTES + 1)},
            {"data": bytes(4 * MAX_IMAGE_BYTES)},
            {"data": in_pieces},
            {"files": parts(bytes(MAX_IMAGE_BYTES + 1))},
            {"files": parts(*[bytes(MAX_IMAGE_BYTES)] * 4)},
        ],
        ids=["by a byte", "by far", "without a length", "a part", "a form"],
    )
    def test_a_body_over_the_limit_is_refused_and_its_sender_gets_to_know(self, ask, body):
        if callable(body.get("data")):
            body = {"data": in_pieces(2 * MAX_IMAGE_BYTES)}

        response = ask(**body)

        assert (response.status_code, response.json()["code"]) == (413, "image_too_large")
        assert_problem(response)

    def test_a_sender_that_listens_only_once_all_is_sent_gets_to_know_too(self, address):
        server, body = urlsplit(address), bytes(3 * MAX_IMAGE_BYTES)
        with socket.create_connection((server.hostname, server.port), timeout=30) as sender:
            sender.sendall(f"POST /v1/classify HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n\r\n".encode())
            sender.sendall(body)
            response = HTTPResponse(sender)
            response.begin()
            problem = json.loads(response.read())

        assert (response.status, problem["code"]) == (413, "image_too_large")

    def test_a_form_over_the_limit_without_a_length_is_refused_too(self, ask):
        boundary = "frontier"
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'.encode()

        def body() -> Iterator[bytes]:
            yield head
            for _ in range(MAX_BODY_BYTES // 2**20 + 1):
                yield bytes(2**20)
            yield f"\r\n--{boundary}--\r\n".encode()

        response = ask(data=body(), headers={"Content-Type": f"multipart/form-data; boundary={boundary}"})

        assert (response.status_code, response.json()["code"]) == (413, "image_too_large")

    def test_a_picture_of_exactly_the_limit_is_not_too_large(self, ask):
        padded = CAT + bytes(MAX_IMAGE_BYTES - len(CAT))

        answers = [ask(padded), ask(data=iter([padded[:10_000], padded[10_000:]])), ask(files=parts(padded))]

        assert [answer.status_code for answer in answers] == [200] * 3
        assert {answer.json()["image"]["bytes"] for answer in answers} == {MAX_IMAGE_BYTES}

    @pytest.mark.parametrize("asked", ["GET /nowhere", "POST /v1/nowhere", "GET /static/..%2fconfig.py"])
    def test_a_door_that_is_not_there_is_a_problem_too(self, address, asked):
        method, path = asked.split()

        response = requests.request(method, address + path, timeout=10)

        assert (response.status_code, response.json()["code"]) == (404, "not_found")
        assert_problem(response)

    @pytest.mark.parametrize(
        ("asked", "allowed"),
        [
            ("GET /v1/classify", {"POST", "OPTIONS"}),
            ("DELETE /v1/classify", {"POST", "OPTIONS"}),
            ("POST /readyz", {"GET", "HEAD", "OPTIONS"}),
        ],
    )
    def test_a_door_that_opens_to_other_methods_names_them(self, address, asked, allowed):
        method, path = asked.split()

        response = requests.request(method, address + path, timeout=10)

        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
        assert set(re.split(", *", response.headers["Allow"])) == allowed
        assert_problem(response)

    def test_a_problems_type_leads_to_its_explanation(self, address, ask):
        problem = ask(cut_short()).json()

        page, _, anchor = problem["type"].partition("#")
        assert anchor == "image_truncated"
        assert requests.get(address + page, timeout=10).ok

    # --- headers ------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("picture", [CAT, b"no picture"], ids=["answer", "problem"])
    def test_a_trace_that_comes_with_a_request_goes_on(self, ask, picture):
        response = ask(picture, headers={"traceparent": TRACEPARENT})

        assert response.headers["X-Trace-Id"] == TRACE_ID

    @pytest.mark.parametrize(
        "traceparent", ["", "nonsense", f"00-{'0' * 32}-00f067aa0ba902b7-01", TRACEPARENT.replace("00-4", "ff-4")]
    )
    def test_a_trace_that_is_none_is_replaced(self, ask, traceparent):
        first, second = (ask(CAT, headers={"traceparent": traceparent}).headers["X-Trace-Id"] for _ in range(2))

        assert re.fullmatch("[0-9a-f]{32}", first)
        assert len({first, second, TRACE_ID, "0" * 32}) == 4

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("GET", "/", None),
            ("GET", "/docs", None),
            ("GET", "/docs/problems", None),
            ("GET", "/openapi.json", None),
            ("GET", "/livez", None),
            ("GET", "/readyz", None),
            ("GET", "/metrics", None),
            ("GET", "/nowhere", None),
            ("PUT", "/v1/classify", None),
            ("OPTIONS", "/v1/classify", None),
            ("POST", "/v1/classify", CAT),
            ("POST", "/v1/classify", b"no picture"),
            ("POST", "/v1/classify", bytes(MAX_IMAGE_BYTES + 1)),
        ],
    )
    def test_every_response_tells_browsers_to_be_careful(self, address, method, path, body):
        response = requests.request(method, address + path, data=body, timeout=10)

        assert_careful(response)

    @pytest.mark.parametrize("page", ["/", "/docs", "/docs/problems"])
    def test_everything_that_a_page_loads_is_there_and_comes_from_here(self, address, page):
        responses = [requests.get(address + path, timeout=10) for path in loaded_by(address, page)]

        for response in responses:
            assert response.status_code == 200, response.url
            assert_careful(response)

    def test_answers_and_problems_are_kept_by_nobody(self, ask):
        responses = [ask(CAT), ask(b"no picture"), ask()]

        assert [response.headers["Cache-Control"] for response in responses] == ["no-store"] * 3

    # --- doors for whoever runs this ----------------------------------------------------------------------------------

    def test_it_is_alive_and_ready_and_says_which_model_answers(self, address, ask):
        alive, ready = (requests.get(address + path, timeout=10) for path in ("/livez", "/readyz"))

        assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        assert ready.json()["model_version"] == ask(CAT).json()["model_version"]

    def test_requests_and_pictures_are_counted_exactly(self, address, ask):
        before = counted(address)

        for _ in range(3):
            ask(CAT)
        ask(files=parts(CAT, cut_short(), COFFEE))
        ask(cut_short())
        ask()
        after = counted(address)

        assert requests_posted(after, "200") - requests_posted(before, "200") == 4
        assert requests_posted(after, "422") - requests_posted(before, "422") == 1
        assert requests_posted(after, "400") - requests_posted(before, "400") == 1
        for outcome, count in (("answered", 5), ("image_truncated", 2)):
            sample = ("classifier_images_total", f"outcome={outcome}")
            assert after[sample] - before.get(sample, 0) == count
        for stage in ("decode", "preprocess", "predict"):
            sample = ("classifier_stage_duration_seconds_count", f"stage={stage}")
            assert after[sample] - before.get(sample, 0) == 5
        wait_until(lambda: counted(address)["http_requests_in_progress",] == 1)  # the one that asks

    def test_addresses_nobody_serves_do_not_make_figures_without_end(self, address):
        before = len(counted(address))

        for number in range(20):
            requests.get(f"{address}/nowhere/{number}", timeout=10)

        assert len(counted(address)) <= before + 20, "one more endpoint, with its histogram"

    def test_methods_nobody_has_heard_of_do_not_make_figures_without_end(self, address):
        before = len(counted(address))

        for letter in "ABCDEFGHIJ":
            requests.request(f"BREW{letter}", f"{address}/nowhere", timeout=10)

        assert len(counted(address)) <= before + 20

    def test_the_openapi_document_is_valid_and_mentions_every_door(self, address):
        response = requests.get(f"{address}/openapi.json", timeout=10)

        document = response.json()
        assert response.headers["Content-Type"] == "application/json"
        assert document["openapi"].startswith("3.1")
        schemathesis.openapi.from_dict(document).validate()
        assert set(document["paths"]) >= {"/v1/classify", "/livez", "/readyz", "/metrics"}

    @pytest.mark.parametrize("wrong", PROBLEMS)
    def test_the_openapi_document_knows_each_problem(self, address, wrong):
        status, code, _ = PROBLEMS[wrong]

        document = requests.get(f"{address}/openapi.json", timeout=10).json()

        assert code in document["paths"]["/v1/classify"]["post"]["responses"][str(status)]["description"]


def requests_posted(samples: dict[tuple[str, ...], float], status: str) -> float:
    wanted = {"method=POST", f"status={status}"}
    return sum(value for (name, *its), value in samples.items() if name == "http_requests_total" and wanted <= {*its})


def assert_careful(response: requests.Response) -> None:
    assert {name: response.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy, "everything comes from here"


def assert_problem(response: requests.Response) -> None:
    """Assert that this is a problem document as RFC 9457 and this project want it."""
    problem = response.json()
    assert response.headers["Content-Type"] == "application/problem+json"
    assert set(problem) == {"type", "title", "status", "code", "detail", "remedy", "trace_id"}
    assert problem["status"] == response.status_code
    assert problem["title"]
    assert problem["type"].endswith(f"#{problem['code']}")
    assert problem["trace_id"] == response.headers["X-Trace-Id"]
    for sentence in (problem["detail"], problem["remedy"]):
        assert sentence.endswith((".", "`.", "?")), sentence
