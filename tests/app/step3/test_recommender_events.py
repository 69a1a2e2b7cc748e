"""The door for responses: what is taken, what is refused with which words, and that it never drops what it took."""

import json
import re

import pytest
import requests

from step3_microservices.recommender.event_stream import EventReader
from tests.app.http_contract import assert_problem
from tests.app.step2.test_schemathesis import st_run
from tests.app.step3.events_system import KEY, event_json
from tests.app.step3.recommending import NO_REDIS, in_this_process, recommending
from tests.app.step3.system import redis_server

MOST = 100  # events that may wait, where a test fills the stream


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def service(redis, tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    with recommending(folder, folder / "store", until_ready=False, REDIS_URL=redis.url) as served:
        yield served


@pytest.fixture
def client(redis, tmp_path):
    """The app in this process, with an empty stream that is soon full."""
    redis.client.delete(KEY)
    return in_this_process(tmp_path, REDIS_URL=redis.url, MAX_EVENTS=str(MOST))


def post(service, body, media_type="application/json"):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(f"{service.address}/v1/events", data=body, headers={"Content-Type": media_type}, timeout=10)


def taken(redis):
    return [json.loads(fields[b"event"]) for _, fields in redis.client.xrange(KEY)]


def several(count, start=0):
    return {"events": [event_json(number) for number in range(start, start + count)]}


# --- what is taken ---------------------------------------------------------------------------------------------------


def test_events_are_accepted_and_lie_in_the_stream_in_their_order(service, redis):
    redis.client.delete(KEY)

    response = post(service, several(3))

    assert (response.status_code, response.json()) == (202, {"accepted": 3})
    assert [event["event_id"] for event in taken(redis)] == ["impression-0", "impression-1", "impression-2"]


@pytest.mark.parametrize("media_type", ["application/json", "text/plain;charset=UTF-8", "text/plain"])
def test_one_event_alone_may_be_the_body_as_json_or_as_a_beacons_text(service, redis, media_type):
    redis.client.delete(KEY)
    sent = event_json(1, "click", time="2026-11-27T10:00:00Z")

    response = post(service, sent, media_type)

    assert (response.status_code, response.json()) == (202, {"accepted": 1})
    assert taken(redis) == [sent]


def test_a_stranger_has_no_id_and_a_country_is_written_in_capitals(service, redis):
    redis.client.delete(KEY)

    post(service, event_json(1, user_id="", country="de"))
    post(service, event_json(2, user_id=None, country=""))

    first, second = taken(redis)
    assert "user_id" not in first
    assert first["country"] == "DE"
    assert "country" not in second


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"position": 0}, "position"),
        ({"position": 21}, "position"),
        ({"position": "1"}, "position"),
        ({"position": True}, "position"),
        ({"event": "install"}, "event"),
        ({"time": "2026-11-27T10:00:00"}, "time"),
        ({"time": "yesterday"}, "time"),
        ({"time": 1795789395}, "time"),
        ({"user_id": "a b"}, "user_id"),
        ({"item_id": ""}, "item_id"),
        ({"item_id": "x" * 65}, "item_id"),
        ({"item_id": "a\n"}, "item_id"),
        ({"item_id": "a\0b"}, "item_id"),
        ({"country": "Germany"}, "country"),
        ({"slot": "1x1"}, "slot"),
        ({"arm": "treatment"}, "arm"),
        ({"experiment": "a b"}, "experiment"),
        ({"control_share": 1.5}, "control_share"),
        ({"control_share": "0.5"}, "control_share"),
        ({"list_id": None}, "list_id"),
        ({"price": 1}, "price"),
    ],
)
def test_a_wrong_event_is_named_by_place_and_id_with_the_field_and_none_is_counted(service, redis, wrong, told):
    redis.client.delete(KEY)
    events = [event_json(1), event_json(2) | wrong, event_json(3)]

    response = post(service, {"events": events})

    assert_problem(response)
    assert (response.status_code, response.json()["code"]) == (400, "event_invalid")
    assert re.match(rf"Event 2 \('impression-2'\), {told}: ", response.json()["detail"])
    assert taken(redis) == []


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 20_000, "no JSON"),
        (b'{"event_id": "\\ud800"}', "no JSON"),
        (b"null", "The body"),
        (b"[]", "The body"),
        (b"{}", "Event 1, event_id"),
        (b'{"events": []}', "events: "),
        (b'{"events": {}}', "events: "),
        (b'{"events": [null]}', "Event 1: "),
        (b'{"events": [{"event_id": {"a": 1}}]}', "Event 1, event_id: "),
        (json.dumps(several(51)).encode(), "at most 50"),
        (b'{"events": [' + b" " * 70_000 + b"]}", "larger"),
    ],
)
def test_a_body_that_is_no_events_is_refused_in_words(service, body, told):
    response = post(service, body)

    assert_problem(response)
    assert response.status_code == 400
    assert told in response.json()["detail"]


def test_many_faults_are_told_by_the_first_of_them(service):
    response = post(service, {"events": [{"event_id": f"e{number}"} for number in range(50)]})

    assert response.json()["detail"].endswith("more.")
    assert len(response.json()["detail"]) < 1000


def test_another_media_type_is_refused(service):
    response = post(service, several(1), "application/x-www-form-urlencoded")

    assert_problem(response)
    assert (response.status_code, response.json()["code"]) == (415, "media_type_unsupported")


# --- the stream ------------------------------------------------------------------------------------------------------


def test_a_full_stream_refuses_new_events_and_drops_no_old_one(client, redis):
    accepted = [client.post("/v1/events", json=several(40, start)).status_code for start in (0, 40)]

    refused = client.post("/v1/events", json=several(40, 80))
    smaller = client.post("/v1/events", json=several(20, 80))

    assert accepted == [202, 202]
    assert (refused.status_code, refused.json["code"]) == (503, "events_full")
    assert int(refused.headers["Retry-After"]) > 0
    assert smaller.status_code == 202
    assert [event["event_id"] for event in taken(redis)] == [f"impression-{number}" for number in range(MOST)]


def test_what_a_consumer_has_written_makes_room(client, redis):
    client.post("/v1/events", json=several(50))
    client.post("/v1/events", json=several(50))
    reader = EventReader(redis.client, "one")
    reader.join()

    entries = reader.take(1)
    while_in_work = client.post("/v1/events", json=several(50))
    reader.done(entries)
    after = client.post("/v1/events", json=several(50))

    assert len(entries) == MOST
    assert (while_in_work.status_code, after.status_code) == (503, 202)


def test_no_key_is_kept_for_ever(client, redis):
    reader = EventReader(redis.client, "one")
    reader.join()
    empty = redis.client.ttl(KEY)
    client.post("/v1/events", json=several(5))
    reader.done(reader.take(1))

    assert empty > 0
    assert [key for key in redis.client.scan_iter() if redis.client.ttl(key) == -1] == []


def test_without_redis_the_door_says_when_to_come_again(tmp_path):
    client = in_this_process(tmp_path, REDIS_URL=NO_REDIS)

    response = client.post("/v1/events", json=several(1))

    assert (response.status_code, response.json["code"]) == (503, "not_ready")
    assert int(response.headers["Retry-After"]) > 0


# --- the document ----------------------------------------------------------------------------------------------------


def test_schemathesis_finds_the_doors_as_their_document_says(service, tmp_path):
    doors = ("--include-path", "/v1/events", "--include-path", "/v1/analytics")
    result = st_run(service.address, tmp_path, "--max-examples", "40", *doors)

    assert result.returncode == 0, result.stdout
    assert "2 selected / 6 total" in result.stdout
