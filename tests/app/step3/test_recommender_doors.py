"""The gateway's doors to the recommender: what goes through, what does not, and what a recommender in trouble costs."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from step3_microservices.broker import create_celery
from step3_microservices.contract import INTERACTIVE, JOBS
from step3_microservices.gateway.app import create_app
from step3_microservices.gateway.config import read_config
from step3_microservices.gateway.inference import RemoteModel
from step3_microservices.job_store import JobStore
from step3_microservices.redis_client import connect
from step3_microservices.settings import ConfigError
from step3_microservices.store import Store
from step3_microservices.task_messages import TaskMessages
from tests.app.serving import free_port
from tests.app.step3.recommending import in_this_process

RECOMMENDATIONS = "/v1/recommendations?slot=728x90&user_id=u1&country=CH"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
EVENTS = {"events": [{"event_id": "e1"}]}


def gateway(**settings):
    """Return a client of the gateway's own app, which is in no hurry; nothing here needs Redis."""
    settings = {"RECOMMENDER_TIMEOUT_S": "20"} | settings
    config = read_config({"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"} | settings)
    redis = connect(config.redis_url)
    celery = create_celery(config.redis_url, visibility_timeout_s=1)
    model = RemoteModel(TaskMessages(celery, INTERACTIVE), Store(redis, answer_ttl_s=1), max_queued=1, timeout_s=1)
    jobs = JobStore(redis, TaskMessages(celery, JOBS), ttl_s=1, missed_after_s=1)
    return create_app(config, model, jobs).test_client()


@pytest.fixture(scope="module")
def client(recommender):
    return gateway(RECOMMENDER_URL=recommender.address + "/")


def assert_unavailable(response):
    assert (response.status_code, response.json["code"]) == (503, "recommender_unavailable"), response.text
    assert response.headers["Retry-After"] == "5"
    assert response.json["detail"]
    assert response.json["remedy"]


def test_the_codes_of_these_doors_are_explained_where_problems_lead_to(client):
    page = client.get("/docs/problems").text

    for code in ("recommender_unavailable", "event_invalid", "events_full"):
        assert f'id="{code}"' in page


DOORS = {"/v1/recommendations": {"get"}, "/v1/events": {"post"}, "/v1/analytics": {"get"}}


def test_the_document_tells_of_these_doors_in_the_recommenders_own_words(client, tmp_path):
    ours, its = (service.get("/openapi.json").json["paths"] for service in (client, in_this_process(tmp_path)))

    assert {path: {*ours[path]} for path in DOORS} == DOORS
    for path, (method,) in DOORS.items():
        here, there = ours[path][method], its[path][method]
        for part in ("summary", "parameters", "requestBody"):
            assert here.get(part) == there.get(part), (path, part)
        assert {*there["responses"], "401", "429"} <= {*here["responses"]}
        assert "recommender_unavailable" in here["responses"]["503"]["description"]


def test_without_a_recommender_the_document_does_not_speak_of_one():
    document = gateway().get("/openapi.json").json

    assert not {*DOORS} & {*document["paths"]}
    assert "Recommender" not in [tag["name"] for tag in document["tags"]]


def test_recommendations_come_through_as_they_are_in_one_trace(client, mood):
    headers = {
        "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01",
        "Authorization": "Bearer key",
        "Cookie": "secret",
        "Accept-Encoding": "gzip",
        "Connection": "keep-alive",
    }

    response = client.get(RECOMMENDATIONS + "&installed=app-1,app%202", headers=headers)

    assert [item["item_id"] for item in response.json["items"]][:2] == ["app-2", "app-3"]
    (asked,) = mood.asked
    assert asked.query == {"slot": "728x90", "user_id": "u1", "country": "CH", "installed": "app-1,app 2"}
    assert asked.headers["traceparent"].startswith(f"00-{TRACE_ID}-")
    assert asked.headers["traceparent"] != headers["traceparent"], "the gateway is the parent"
    assert asked.headers["x-forwarded-for"] == "127.0.0.1"
    assert asked.headers["authorization"] == "Bearer key"
    assert "cookie" not in asked.headers
    assert response.headers["X-Trace-Id"] == TRACE_ID
    assert response.headers["X-Passed-On"] == "yes"
    assert "X-Hop" not in response.headers, "it was named in Connection"
    assert len(response.headers.getlist("Content-Length")) == 1


def test_events_come_through_from_a_beacon_and_from_a_program(client, mood):
    beacon = client.post("/v1/events", data=json.dumps(EVENTS), content_type="text/plain;charset=UTF-8")
    program = client.post("/v1/events", json=EVENTS)

    assert (beacon.status_code, beacon.json) == (program.status_code, program.json) == (202, {"accepted": 1})
    assert [asked.headers["content-type"] for asked in mood.asked] == ["text/plain;charset=UTF-8", "application/json"]
    assert mood.connections <= 1, "they are kept"


@pytest.mark.parametrize("path", ["/analytics", "/v1/analytics"])
def test_analytics_come_through_with_a_policy_of_their_own(client, mood, path):
    response = client.get(path)

    assert response.text == "<h1>Clicks</h1>"
    assert response.headers["Content-Security-Policy"] == "default-src 'self'"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_figures_may_take_longer_than_a_list(recommender, mood):
    client = gateway(RECOMMENDER_URL=recommender.address, RECOMMENDER_TIMEOUT_S="1")
    mood.delay_s = 2

    assert client.get("/v1/analytics").status_code == 200
    assert_unavailable(client.get(RECOMMENDATIONS))


def test_nothing_else_comes_through(client, mood):
    assert client.get("/v1/events").status_code == 405
    assert client.post("/analytics").status_code == 405
    assert client.get("/v1/recommendations/x").status_code == 404
    assert mood.asked == []


def test_more_than_a_beacon_may_bring_is_refused_at_the_door(client, mood):
    response = client.post("/v1/events", data=b"x" * 65_537)

    assert (response.status_code, response.json["code"]) == (400, "request_invalid")
    assert mood.asked == []


def test_the_edges_of_the_gateway_hold_here_too(recommender, mood):
    guarded = gateway(RECOMMENDER_URL=recommender.address, API_KEYS_SHA256="0" * 64)
    limited = gateway(RECOMMENDER_URL=recommender.address, RATE_LIMIT="2/minute", CORS_ORIGINS="https://shop.example")

    assert guarded.post("/v1/events", json=EVENTS).status_code == 401
    assert guarded.get(RECOMMENDATIONS).status_code == 200
    statuses = [limited.post("/v1/events", json=EVENTS).status_code for _ in range(3)]
    assert statuses == [202, 202, 429]
    allowed = limited.get(RECOMMENDATIONS, headers={"Origin": "https://shop.example"})
    assert allowed.headers.getlist("Access-Control-Allow-Origin") == ["https://shop.example"]
    figures = limited.get("/metrics").text
    assert 'http_requests_total{endpoint="recommender.recommendations",method="GET",status="200"} 1.0' in figures


@pytest.mark.parametrize("path", [RECOMMENDATIONS, "/analytics", "/v1/analytics", "/v1/events"])
def test_without_a_recommender_each_door_says_so_and_the_page_has_no_slot(path):
    client = gateway()

    response = client.post(path, json=EVENTS) if path == "/v1/events" else client.get(path)

    assert (response.status_code, response.json["code"]) == (404, "not_found")
    assert "RECOMMENDER_URL" in response.json["detail"]
    page = client.get("/")
    assert page.status_code == 200
    assert "recommended" not in page.text
    assert "analytics" not in page.text


def test_a_recommender_that_is_not_there_is_a_problem_in_words_at_once():
    client = gateway(RECOMMENDER_URL=f"http://127.0.0.1:{free_port()}", RECOMMENDER_TIMEOUT_S="60")

    started = time.monotonic()
    assert_unavailable(client.get(RECOMMENDATIONS))
    assert_unavailable(client.post("/v1/events", json=EVENTS))

    assert time.monotonic() < started + 30


def test_one_that_breaks_off_is_asked_once_more_and_told_of(client, mood):
    mood.is_broken = True

    assert_unavailable(client.get(RECOMMENDATIONS))
    assert len(mood.asked) == 2


def test_one_that_closes_connections_without_a_word_answers_all_the_same(client, mood):
    mood.hangs_up = True

    assert [client.get(RECOMMENDATIONS).status_code for _ in range(5)] == [200] * 5


def test_one_that_hangs_costs_few_requests_a_short_time_and_the_others_none(recommender, mood):
    settings = {"RECOMMENDER_TIMEOUT_S": "4", "MAX_RECOMMENDER_REQUESTS": "4"}
    client = gateway(RECOMMENDER_URL=recommender.address, **settings)
    together = Barrier(12)
    mood.may_answer.clear()

    def ask(_):
        together.wait()
        started = time.monotonic()
        response = client.application.test_client().get(RECOMMENDATIONS)
        return response, time.monotonic() - started

    with ThreadPoolExecutor(12) as threads:
        replies = [*threads.map(ask, range(12))]
    mood.may_answer.set()

    for response, _ in replies:
        assert_unavailable(response)
    waited = [duration for response, duration in replies if "does not answer" in response.json["detail"]]
    refused = [duration for response, duration in replies if "As many requests" in response.json["detail"]]
    assert (len(waited), len(refused), len(mood.asked)) == (4, 8, 4)
    assert max(refused) < 4 <= min(waited)
    assert max(waited) < 20
    assert client.get(RECOMMENDATIONS).status_code == 200, "its places are free again"


@pytest.mark.parametrize("address", ["ftp://somewhere", "127.0.0.1:8010"])
def test_an_address_that_is_none_is_told_at_the_start(address):
    with pytest.raises(ConfigError, match="RECOMMENDER_URL"):
        read_config({"RECOMMENDER_URL": address})
