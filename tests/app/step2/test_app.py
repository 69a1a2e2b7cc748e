"""The app by itself, around a tiny classifier: what it does when the model is late, wrong or broken, and for whom."""

import base64
import gc
import io
import json
import logging
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, fields
from threading import Event

import pytest
from PIL import Image

from shared.classifier.images import decode
from shared.errors import ExpectedError, ImageError
from shared.logs import JsonFormatter
from step2_webapp.app import create_app
from step2_webapp.config import Config, ConfigError, read_config
from step2_webapp.served_model import ServedModel
from step2_webapp.uploads import Upload
from tests.app.serving import free_port, wait_until
from tests.app.tiny_classifier import TinyClassifier
from tests.conftest import ROOT, SAMPLES

KEY, HASH = "open sesame", "41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb"


def picture(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(file, "PNG")
    return file.getvalue()


RED, LIME, BLUE = picture("red"), picture("lime"), picture("blue")


class Serving:
    """An app around a tiny classifier, asked in the words of the tests."""

    def __init__(self, classifier, *, loads=None, **settings):
        self.classifier = classifier
        self.failures = []
        config = Config(**{"golden_image": SAMPLES / "cat.jpg", "golden_labels": ("red", "green")} | settings)
        loads = loads or Event()
        self.model = ServedModel(
            lambda: (loads.wait(), classifier)[1],
            max_batch_size=config.max_batch_size,
            timeout_s=config.answer_timeout_s,
        )
        self.app = create_app(config, self.model)
        self.model.start(self.failures.append)
        self.load = loads.set

    def ask(self, body=RED, path="/v1/classify", **arguments):
        return self.app.test_client().post(path, data=body, **arguments)

    def get(self, path, **arguments):
        return self.app.test_client().get(path, **arguments)

    def best(self, body, **arguments):
        return self.ask(body, **arguments).json["predictions"][0]["label"]


@pytest.fixture
def classifier():
    return TinyClassifier()


@pytest.fixture
def serve(classifier):
    """Make an app with these settings, whose model is ready."""

    def make(**settings):
        served = Serving(classifier, **settings)
        served.load()
        wait_until(lambda: served.get("/readyz").json.get("detail") != "The model is being loaded.")
        classifier.batch_sizes.clear()
        return served

    return make


# --- the model is late, wrong or broken ------------------------------------------------------------------------------


def test_before_the_model_is_loaded_clients_are_told_when_to_come_again(classifier):
    served = Serving(classifier)

    responses = [served.ask(), served.get("/readyz")]

    assert served.get("/livez").status_code == 200
    for response in responses:
        assert (response.status_code, response.json["code"]) == (503, "not_ready")
        assert 1 <= int(response.headers["Retry-After"]) <= 60


def test_a_model_that_cannot_be_loaded_is_reported():
    failures = []
    model = ServedModel(lambda: 1 / 0, max_batch_size=1, timeout_s=1)

    model.start(failures.append)
    wait_until(lambda: failures)

    assert [type(failure) for failure in failures] == [ZeroDivisionError]


def test_what_takes_longer_than_anybody_wants_to_wait_is_given_up(serve, classifier):
    served = serve(answer_timeout_s=2)
    classifier.free.clear()

    response = served.ask()
    classifier.free.set()

    assert (response.status_code, response.json["code"]) == (504, "deadline_exceeded")
    assert served.best(BLUE) == "blue"


def test_an_error_nobody_foresaw_is_in_the_log_and_not_in_the_response(serve, classifier, caplog):
    served = serve()
    classifier.errors[1] = ZeroDivisionError("a secret of the machine")

    response = served.ask()

    assert (response.status_code, response.json["code"]) == (500, "internal_error")
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    line = json.loads(JsonFormatter().format(record))
    assert line["trace_id"] == response.json["trace_id"] == response.headers["X-Trace-Id"]
    assert "ZeroDivisionError: a secret of the machine" in line["trace"]
    assert served.best(BLUE) == "blue"


def test_an_error_nobody_foresaw_looks_alike_on_the_page(serve, classifier):
    served = serve()
    classifier.errors[1] = ZeroDivisionError("a secret of the machine")

    response = served.ask({"image": (io.BytesIO(RED), "red.png")}, path="/")

    assert response.status_code == 500
    assert "secret" not in response.text


@pytest.mark.parametrize("door", ["/v1/classify", "/"])
def test_a_refused_picture_is_forgotten_at_once_and_not_when_the_garbage_collector_comes(serve, door):
    client = serve().app.test_client()
    body = {"image": [(io.BytesIO(picture("red")[:-40]), "cut.png"), (io.BytesIO(b"no picture"), "text.png")]}
    alone = {"image": (io.BytesIO(picture("red")[:-40]), "cut.png")}

    gc.collect()
    gc.disable()
    before = pictures_in_memory()  # of this and other tests' apps: golden ones
    try:
        statuses = [client.post(door, data=form, buffered=True).status_code for form in (body, alone)]
        kept = pictures_in_memory() - before
    finally:
        gc.enable()

    assert statuses == [200, 200 if door == "/" else 422]
    assert kept == 0


def pictures_in_memory():
    return sum(isinstance(thing, Upload | Image.Image | ImageError) for thing in gc.get_objects())


def test_a_golden_picture_answered_wrong_makes_a_service_unready(serve):
    served = serve(golden_labels=("tabby",))

    response = served.get("/readyz")

    assert (response.status_code, response.json["code"]) == (503, "not_ready")
    assert "instead of tabby" in response.json["detail"]
    assert int(response.headers["Retry-After"]) > 0


def test_a_golden_picture_that_is_none_makes_a_service_unready(serve, tmp_path):
    path = tmp_path / "golden.jpg"
    path.write_text("no picture")
    served = serve(golden_image=path)

    response = served.get("/readyz")

    assert response.status_code == 503
    assert "GOLDEN_IMAGE" in response.json["remedy"]


def test_probes_of_a_service_that_is_not_ready_wait_for_none_of_each_other(serve, classifier, monkeypatch):
    monkeypatch.setattr("step2_webapp.golden._TRUSTED_FOR_S", 0.0)
    served = serve(answer_timeout_s=60)
    classifier.free.clear()
    with ThreadPoolExecutor(6) as clients:
        first = clients.submit(served.get, "/readyz")
        wait_until(lambda: classifier.batch_sizes)
        started = time.monotonic()
        others = list(clients.map(lambda _: served.get("/readyz"), range(5)))
        waited_s = time.monotonic() - started
        classifier.free.set()

    assert {response.status_code for response in others} == {503}
    assert waited_s < 30, "the first one's own time"
    assert first.result().status_code == 200


def test_a_picture_that_finds_no_place_to_be_decoded_in_is_told_so(serve, monkeypatch):
    decoding, go_on = Event(), Event()

    def slow(*arguments, **options):
        decoding.set()
        assert go_on.wait(60)
        return decode(*arguments, **options)

    served = serve(decoders=1, answer_timeout_s=2)
    monkeypatch.setattr("step2_webapp.app.decode", slow)
    with ThreadPoolExecutor(1) as clients:
        first = clients.submit(served.ask, BLUE)
        assert decoding.wait(60)
        second = served.ask(BLUE)
        go_on.set()

    assert (second.status_code, second.json["code"]) == (504, "deadline_exceeded")
    assert first.result().status_code == 200


def test_a_golden_picture_that_waits_too_long_makes_a_service_unready(serve, classifier, tmp_path):
    served = serve(answer_timeout_s=0.1, golden_labels=("tabby",))
    classifier.free.clear()

    response = served.get("/readyz")
    classifier.free.set()

    assert (response.status_code, response.json["code"]) == (503, "not_ready")


def test_probes_do_not_cost_a_prediction_each(serve, classifier):
    served = serve()

    statuses = {served.get("/readyz").status_code for _ in range(20)}

    assert statuses == {200}
    assert len(classifier.batch_sizes) <= 1


def test_a_model_that_cannot_be_explained_says_so_and_answers_without(serve, classifier):
    classifier.is_explainable = False
    served = serve()

    response = served.ask(RED, query_string={"explain": "true"})

    assert (response.status_code, response.json["code"]) == (422, "explanation_unsupported")
    assert served.best(RED) == "red"


@pytest.mark.parametrize("size", [(1000, 1), (1, 1000), (3000, 4)])
def test_a_picture_however_thin_is_shown_with_its_heat_map(serve, size):
    thin = io.BytesIO()
    Image.new("RGB", size, "red").save(thin, "PNG")
    thin.seek(0)

    response = serve().ask({"image": (thin, "thin.png"), "explain": "on"}, path="/")

    assert response.status_code == 200
    assert "red" in response.text


def test_the_page_shows_whatever_it_has_answered(serve):
    """Also what only these settings allow, and not the defaults of the intake."""
    large = io.BytesIO()
    Image.new("1", (7200, 7000), "white").save(large, "PNG")
    large.seek(0)

    response = serve(max_image_pixels=60_000_000).ask({"image": (large, "large.png")}, path="/")

    assert response.status_code == 200
    assert "7200 x 7000 PNG" in response.text


# --- who waits together is predicted together ------------------------------------------------------------------------


@pytest.fixture
def waiting(serve, classifier):
    """Ask while the model is busy, then let it go on; return the futures of the responses."""

    def ask_together(served, *requests):
        classifier.free.clear()
        with ThreadPoolExecutor(len(requests) + 1) as clients:
            busy = clients.submit(served.ask, RED)
            wait_until(lambda: classifier.batch_sizes)
            futures = []
            for number, (body, query) in enumerate(requests, 1):
                futures.append(clients.submit(served.ask, body, query_string=query))
                wait_until(lambda number=number: served.model._queue.qsize() == number)
            classifier.free.set()
        return busy.result(), [future.result() for future in futures]

    return ask_together


def test_pictures_that_wait_together_are_predicted_in_one_call_and_each_gets_its_own_answer(serve, classifier, waiting):
    served = serve()

    _, responses = waiting(served, (LIME, {}), (BLUE, {}), (RED, {}), (BLUE, {}))

    assert classifier.batch_sizes == [1, 4]
    assert [response.json["predictions"][0]["label"] for response in responses] == ["green", "blue", "red", "blue"]


def test_no_more_pictures_than_the_largest_batch_are_predicted_in_one_call(serve, classifier, waiting):
    served = serve(max_batch_size=3)

    _, responses = waiting(served, *[(BLUE, {})] * 5)

    assert classifier.batch_sizes == [1, 3, 2]
    assert {response.status_code for response in responses} == {200}


def test_who_wants_an_explanation_and_who_does_not_are_predicted_apart(serve, classifier, waiting):
    served = serve()

    _, responses = waiting(served, (LIME, {"explain": "1"}), (BLUE, {}), (RED, {"explain": "1"}), (BLUE, {}))

    assert classifier.batch_sizes == [1, 2, 2]
    assert [response.json["predictions"][0]["label"] for response in responses] == ["green", "blue", "red", "blue"]
    assert ["explanation" in response.json for response in responses] == [True, False, True, False]
    assert responses[0].json["explanation"]["grid"] == [[1.0, 1.0], [1.0, 1.0]]


def test_an_error_reaches_all_who_waited_and_the_next_request_works(serve, classifier, waiting):
    served = serve()
    classifier.errors[2] = MemoryError("too many")

    busy, responses = waiting(served, (LIME, {}), (BLUE, {}), (RED, {}))

    assert classifier.batch_sizes == [1, 3]
    assert busy.status_code == 200
    assert [response.status_code for response in responses] == [500] * 3
    assert served.best(BLUE) == "blue"


def test_nobody_is_predicted_who_has_stopped_waiting(serve, classifier):
    served = serve(answer_timeout_s=2)
    classifier.free.clear()

    with ThreadPoolExecutor(4) as clients:
        busy = clients.submit(served.ask)
        wait_until(lambda: classifier.batch_sizes)
        waiting = [clients.submit(served.ask) for _ in range(3)]
        statuses = [one.result().status_code for one in (busy, *waiting)]
    classifier.free.set()

    assert statuses == [504] * 4
    assert served.best(BLUE) == "blue"
    assert classifier.batch_sizes == [1, 1], "the first one, who was in work, and the last one"


def test_a_classifiers_answer_to_several_pictures_goes_to_each_in_order(serve, classifier):
    served = serve()
    form = {"image": [(io.BytesIO(body), f"{n}.png") for n, body in enumerate((LIME, b"none", BLUE, RED))]}

    results = served.ask(form).json["results"]

    assert classifier.batch_sizes == [3]
    assert [r["answer"]["predictions"][0]["label"] if "answer" in r else None for r in results] == [
        "green",
        None,
        "blue",
        "red",
    ]


def test_a_request_of_more_pictures_than_the_largest_batch_is_predicted_in_several_calls(serve, classifier):
    served = serve(max_batch_size=2)
    form = {"image": [(io.BytesIO(body), f"{n}.png") for n, body in enumerate((LIME, BLUE, RED, LIME, BLUE))]}

    results = served.ask(form, query_string={"explain": "1"}).json["results"]

    assert classifier.batch_sizes == [2, 2, 1]
    best = [result["answer"]["predictions"][0]["label"] for result in results]
    assert best == ["green", "blue", "red", "green", "blue"]
    assert all("explanation" in result["answer"] for result in results)


# --- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer   {KEY} "},
        {"X-API-Key": KEY},
    ],
)
def test_whoever_has_a_key_is_answered(serve, headers):
    served = serve(api_keys_sha256=("0" * 64, HASH))

    assert served.best(BLUE, headers=headers) == "blue"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {base64.b64encode(KEY.encode()).decode()}"},
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": f"Bearer {HASH}"},
        {"X-API-Key": ""},
        {"X-API-Key": "☃"},
    ],
)
def test_whoever_has_no_key_is_refused_before_anything_is_read(serve, classifier, headers):
    served = serve(api_keys_sha256=(HASH,))

    response = served.ask(BLUE, headers={name: value.encode().decode("latin-1") for name, value in headers.items()})

    assert (response.status_code, response.json["code"]) == (401, "unauthorized")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert classifier.batch_sizes == []


def test_what_costs_nothing_needs_no_key(serve):
    served = serve(api_keys_sha256=(HASH,))

    statuses = {path: served.get(path).status_code for path in ("/", "/docs", "/openapi.json", "/livez", "/readyz")}

    assert set(statuses.values()) == {200}, statuses


@pytest.mark.parametrize(("key", "status"), [(KEY, 200), ("no such key", 401), ("", 401)])
def test_the_pages_form_has_a_field_for_the_key(serve, key, status):
    served = serve(api_keys_sha256=(HASH,))

    response = served.ask({"api_key": key, "image": (io.BytesIO(RED), "red.png")}, path="/")

    assert response.status_code == status
    assert key not in response.text or not key


def test_a_key_in_the_address_is_no_key(serve):
    served = serve(api_keys_sha256=(HASH,))

    response = served.ask(RED, query_string={"api_key": KEY})

    assert response.status_code == 401


def test_the_command_makes_a_key_and_the_hash_that_belongs_to_it(serve):
    output = subprocess.run(
        [sys.executable, "-m", "step2_webapp.api_keys"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout

    key, digest = (line.split()[-1] for line in output.splitlines())
    served = serve(api_keys_sha256=read_config({"API_KEYS_SHA256": digest}).api_keys_sha256)
    assert served.best(BLUE, headers={"Authorization": f"Bearer {key}"}) == "blue"
    assert served.ask(headers={"Authorization": f"Bearer {digest}"}).status_code == 401


# --- other origins ---------------------------------------------------------------------------------------------------

OURS, OTHER = "https://shop.example", "https://other.example"


def test_a_page_of_an_allowed_origin_may_read_the_answer_and_no_other_may(serve):
    served = serve(cors_origins=(OURS, "https://second.example"))

    allowed, other = (served.ask(headers={"Origin": origin}) for origin in (OURS, OTHER))

    assert allowed.headers["Access-Control-Allow-Origin"] == OURS
    assert {"X-Trace-Id", "Retry-After"} <= set(re.split(", *", allowed.headers["Access-Control-Expose-Headers"]))
    assert "Access-Control-Allow-Origin" not in other.headers
    assert "Origin" in other.headers.get("Vary", "Origin")
    assert "Access-Control-Allow-Credentials" not in allowed.headers


@pytest.mark.parametrize(("origin", "is_allowed"), [(OURS, True), (OTHER, False)])
def test_a_browser_that_asks_first_is_told_whether_it_may(serve, origin, is_allowed):
    served = serve(cors_origins=(OURS,), api_keys_sha256=(HASH,), rate_limit="1/hour")
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, traceparent",
    }

    responses = [served.app.test_client().options("/v1/classify", headers=asked) for _ in range(3)]

    for response in responses:
        assert response.status_code == 200
        assert response.headers.get("Access-Control-Allow-Origin") == (origin if is_allowed else None)
        if is_allowed:
            names = set(re.split(", *", response.headers["Access-Control-Allow-Headers"].lower()))
            assert {"authorization", "content-type", "traceparent"} <= names
            assert "POST" in response.headers["Access-Control-Allow-Methods"]


def test_an_error_may_be_read_by_an_allowed_origin_too(serve):
    served = serve(cors_origins=(OURS,), api_keys_sha256=(HASH,))

    response = served.ask(headers={"Origin": OURS})

    assert response.status_code == 401
    assert response.headers["Access-Control-Allow-Origin"] == OURS


def test_without_the_setting_no_other_origin_may_ask(serve):
    response = serve().ask(headers={"Origin": OURS})

    assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


# --- rate ------------------------------------------------------------------------------------------------------------


def test_whoever_asks_too_often_is_told_when_to_come_again(serve, classifier):
    served = serve(rate_limit="2/minute")

    statuses = [served.ask().status_code for _ in range(2)]
    refusal = served.ask()

    assert statuses == [200, 200]
    assert (refusal.status_code, refusal.json["code"]) == (429, "rate_limited")
    assert 1 <= int(refusal.headers["Retry-After"]) <= 60
    assert refusal.headers["Retry-After"] in refusal.json["remedy"]
    assert len(classifier.batch_sizes) == 2
    assert served.get("/readyz").status_code == 200


def test_a_client_who_waits_as_told_is_answered(serve):
    served = serve(rate_limit="1 per 4 seconds")
    served.ask()

    refusal = served.ask()
    time.sleep(int(refusal.headers["Retry-After"]))

    assert served.ask().status_code == 200


def test_behind_a_proxy_each_client_is_counted_alone(serve):
    served = serve(rate_limit="1/minute", trusted_proxies=1)

    statuses = [served.ask(headers={"X-Forwarded-For": client}).status_code for client in ("192.0.2.1", "192.0.2.2")]
    again = served.ask(headers={"X-Forwarded-For": "192.0.2.1"}).status_code
    forged = served.ask(headers={"X-Forwarded-For": "198.51.100.7, 192.0.2.1"}).status_code

    assert statuses == [200, 200]
    assert (again, forged) == (429, 429)


def test_without_a_proxy_nobody_can_call_themselves_another(serve):
    served = serve(rate_limit="1/minute")

    statuses = [served.ask(headers={"X-Forwarded-For": f"192.0.2.{number}"}).status_code for number in range(2)]

    assert statuses == [200, 429]


def test_without_the_redis_that_counts_requests_they_are_answered_all_the_same(serve, caplog):
    served = serve(rate_limit="1/hour", rate_limit_storage=f"redis://127.0.0.1:{free_port()}")

    statuses = [served.ask().status_code for _ in range(2)]

    assert statuses == [200, 200]
    assert [record.levelname for record in caplog.records if record.message == "not counted"] == ["WARNING"] * 2


def test_behind_https_browsers_are_told_to_stay_there(serve):
    served = serve(trusted_proxies=1)

    secure, plain = (served.get("/", headers={"X-Forwarded-Proto": scheme}) for scheme in ("https", "http"))

    assert "max-age" in secure.headers["Strict-Transport-Security"]
    assert "Strict-Transport-Security" not in plain.headers


# --- settings --------------------------------------------------------------------------------------------------------

GIVEN = {
    "MODEL": ("inception_v3", "inception_v3"),
    "WEIGHTS": ("weights.h5", "weights.h5"),
    "LABELS": (str(SAMPLES / "README.md"), SAMPLES / "README.md"),
    "SCALING": ("zero_to_one", "zero_to_one"),
    "PRECISION": ("bfloat16", "bfloat16"),
    "GOLDEN_IMAGE": (str(SAMPLES / "cat.jpg"), SAMPLES / "cat.jpg"),
    "GOLDEN_LABELS": ("tabby, tiger cat,", ("tabby", "tiger cat")),
    "HOST": ("0.0.0.0", "0.0.0.0"),  # noqa: S104
    "PORT": ("9000", 9000),
    "WEB_PROCESSES": ("2", 2),
    "THREADS": ("4", 4),
    "MAX_BATCH_SIZE": ("3", 3),
    "DECODERS": ("5", 5),
    "TRUSTED_PROXIES": ("1", 1),
    "MAX_IMAGE_BYTES": ("1000", 1000),
    "MAX_IMAGE_PIXELS": ("2000", 2000),
    "MAX_IMAGES": ("6", 6),
    "MAX_BODY_BYTES": ("3000", 3000),
    "UPLOAD_TIMEOUT_S": ("1.5", 1.5),
    "ANSWER_TIMEOUT_S": ("2.5", 2.5),
    "SEND_TIMEOUT_S": ("3.5", 3.5),
    "SHUTDOWN_TIMEOUT_S": ("7", 7),
    "API_KEYS_SHA256": (f"{HASH},{'0' * 64}", (HASH, "0" * 64)),
    "CORS_ORIGINS": (f"{OURS}, {OTHER}", (OURS, OTHER)),
    "RATE_LIMIT": ("60/minute", "60/minute"),
    "RATE_LIMIT_STORAGE": ("redis://127.0.0.1:1", "redis://127.0.0.1:1"),
}


def test_every_setting_is_read_from_the_environment_variable_of_its_name():
    config = read_config({name: text for name, (text, _) in GIVEN.items()})

    assert {field.name.upper() for field in fields(Config)} == set(GIVEN)
    assert {name: getattr(config, name.lower()) for name in GIVEN} == {
        name: value for name, (_, value) in GIVEN.items()
    }


def test_nothing_given_and_nothing_in_it_are_the_defaults():
    assert read_config({}) == read_config(dict.fromkeys(GIVEN, "")) == Config()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("THREADS", "0"),
        ("WEB_PROCESSES", "two"),
        ("MAX_IMAGES", "1.5"),
        ("UPLOAD_TIMEOUT_S", "0"),
        ("ANSWER_TIMEOUT_S", "soon"),
        ("TRUSTED_PROXIES", "-1"),
        ("API_KEYS_SHA256", f"{HASH},{KEY}"),
        ("GOLDEN_IMAGE", "nowhere.jpg"),
        ("RATE_LIMIT", "60 an hour or so"),
        ("RATE_LIMIT", "60/minute;1/hour"),
        ("RATE_LIMIT_STORAGE", "redis://localhost:port"),
        ("CORS_ORIGINS", "https://*.example.com"),
        ("CORS_ORIGINS", "https://shop.example/"),
        ("RATE_LIMIT_STORAGE", "file:///nowhere"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_its_name_and_with_a_remedy(name, value):
    with pytest.raises(ConfigError) as caught:
        read_config({name: value})

    assert isinstance(caught.value, ExpectedError)
    assert name in caught.value.detail
    assert caught.value.remedy.endswith(".")


@pytest.mark.parametrize("storage", ["", "memory://", "memory://x"])
def test_several_processes_cannot_count_requests_each_by_itself(storage):
    with pytest.raises(ConfigError, match="RATE_LIMIT_STORAGE"):
        read_config({"RATE_LIMIT": "60/minute", "WEB_PROCESSES": "2", "RATE_LIMIT_STORAGE": storage})


def test_settings_do_not_change_while_the_service_runs():
    config = Config()

    with pytest.raises(FrozenInstanceError):
        config.port = 1


def test_the_limits_in_the_settings_are_those_that_hold(serve):
    served = serve(max_images=2, max_image_bytes=1000, max_image_pixels=400, max_body_bytes=3000)
    wide = io.BytesIO()
    Image.new("RGB", (21, 20)).save(wide, "PNG")

    def codes(*pictures):
        form = {"image": [(io.BytesIO(body), f"{number}.png") for number, body in enumerate(pictures)]}
        return served.ask(form).json.get("code")

    assert served.best(BLUE + bytes(1000 - len(BLUE))) == "blue"
    assert served.ask(BLUE + bytes(1001 - len(BLUE))).json["code"] == "image_too_large"
    assert served.ask(wide.getvalue()).json["code"] == "image_too_many_pixels"
    assert [codes(RED), codes(RED, LIME), codes(RED, LIME, BLUE)] == [None, None, "request_invalid"]
    assert codes(RED + bytes(1000)) == "image_too_large"
    assert codes(RED + bytes(1500), LIME + bytes(1500)) == "image_too_large"


def test_the_document_tells_how_many_pictures_are_allowed(serve):
    document = serve(max_images=2).get("/openapi.json").json

    content = document["paths"]["/v1/classify"]["post"]["requestBody"]["content"]
    assert content["multipart/form-data"]["schema"]["properties"]["image"]["maxItems"] == 2
