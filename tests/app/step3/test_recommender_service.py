"""The recommender over HTTP, by its own entry point, without a Redis."""

import os
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
import requests

from step3_microservices.recommender.experiment import COLLABORATIVE, CONTROL, Experiment
from tests.app.serving import ROOT, free_port, wait_until
from tests.app.step2.test_schemathesis import st_run
from tests.app.step3.recommending import NO_REDIS, RECOMMENDER, published, recommending
from tests.app.step3.system import redis_server
from tests.model.recommended import LISTS


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recommender")
    published(folder / "store")
    with recommending(folder, folder / "store", BLOCKED_ITEMS="app-31,app-nobody-has") as service:
        yield service


def ask(service, headers=None, **query):
    return requests.get(f"{service.address}/v1/recommendations", query, headers=headers, timeout=10)


def told(answer):
    assert answer.status_code == 200, answer.text
    return [(int(item["item_id"].removeprefix("app-")), item["reason"]) for item in answer.json()["items"]]


def test_a_known_user_gets_the_own_list(service):
    answer = ask(service, user_id="ben", country="DE", slot="728x90").json()

    assert answer["items"][0] == {
        "item_id": "app-1",
        "title": "App 1",
        "category": "games",
        "icon": "🎲",
        "position": 1,
        "reason": "collaborative",
    }
    assert [item["item_id"] for item in answer["items"]] == ["app-1", "app-5", "app-9", "app-2"]
    assert [item["position"] for item in answer["items"]] == [1, 2, 3, 4]
    assert (answer["slot"], answer["arm"]) == ("728x90", "collaborative")
    assert answer["model_version"].startswith("2026-11-20-")
    assert 0 <= answer["model_age_s"] < 300


@pytest.mark.parametrize(("slot", "count"), [("300x250", 6), ("728x90", 4), ("320x50", 1)])
def test_a_slot_gets_as_many_items_as_it_shows(service, slot, count):
    assert len(told(ask(service, user_id="cai", slot=slot))) == count
    assert len(told(ask(service, user_id="cai", slot=slot, n=20))) == 20


@pytest.mark.parametrize("user_id", ["nobody-knows-me", ""])
@pytest.mark.parametrize("country", ["DE", "de"])
def test_a_stranger_gets_what_the_country_likes(service, user_id, country):
    assert told(ask(service, user_id=user_id, country=country, n=2)) == [(10, "country_top"), (11, "country_top")]


@pytest.mark.parametrize("country", ["", "ZZ"])
def test_an_unknown_country_means_all(service, country):
    assert told(ask(service, country=country, n=2)) == [(30, "global_top"), (10, "global_top")]


def test_what_is_installed_or_blocked_never_appears_and_the_list_is_filled_up(service):
    query = {"user_id": "ann", "country": "DE", "n": 20}

    for installed in ("app-3,app-10,app-30,unknown", ["app-3", "app-10", "app-30", ""]):
        found = told(ask(service, **query, installed=installed))

        numbers = [number for number, _ in found]
        assert not {3, 10, 30, 31} & {*numbers}
        assert len({*numbers}) == len(numbers)
        assert numbers[:4] == [1, 4, 11, 12]


def test_nothing_is_left_for_who_has_everything(service):
    answer = ask(service, installed=",".join(f"app-{number}" for number in range(40)))

    assert told(answer) == []


def test_each_list_has_a_name_of_its_own_and_is_nobody_elses(service):
    first, second = (ask(service, user_id="ann") for _ in range(2))

    assert first.json()["list_id"] != second.json()["list_id"]
    assert first.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    "query",
    [
        {"n": 0},
        {"n": -1},
        {"n": 21},
        {"n": 10**30},
        {"n": "many"},
        {"n": ""},
        {"n": "nan"},
        {"slot": "1x1"},
        {"slot": ""},
        {"country": "Germany"},
        {"country": "D3"},
        {"country": "ß"},
        {"user_id": "a" * 65},
        {"user_id": "ann\n"},
        {"user_id": "<script>"},
        {"user_id": "Ünal"},
        {"installed": "app 1"},
        {"installed": ",".join(f"app-{number}" for number in range(201))},
        {"user": "ann"},
    ],
    ids=str,
)
def test_bad_input_is_a_problem_that_says_what_is_wrong(service, query):
    answer = ask(service, **query)

    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    problem = answer.json()
    assert problem["code"] == "request_invalid"
    assert next(iter(query)) in problem["detail"]
    assert problem["trace_id"] == answer.headers["X-Trace-Id"]


def test_other_addresses_and_methods_are_problems_too(service):
    assert requests.get(f"{service.address}/v1/nothing", timeout=10).json()["code"] == "not_found"
    posted = requests.post(f"{service.address}/v1/recommendations", timeout=10)
    assert (posted.status_code, sorted(posted.headers["Allow"].split(", "))) == (405, ["GET", "HEAD", "OPTIONS"])


def test_the_type_of_a_problem_leads_to_its_explanation(service):
    where, _, anchor = ask(service, n=0).json()["type"].partition("#")

    assert f'id="{anchor}"' in requests.get(service.address + where, timeout=10).text
    assert requests.get(f"{service.address}/docs", timeout=10).ok


def test_the_trace_id_of_the_client_is_kept_and_headers_protect_browsers(service):
    answer = ask(service, headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})

    assert answer.headers["X-Trace-Id"] == "a" * 32
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_it_is_alive_ready_and_counts(service):
    ask(service, user_id="ann", n=1)
    assert requests.get(f"{service.address}/livez", timeout=10).json() == {"status": "alive"}
    assert requests.get(f"{service.address}/readyz", timeout=10).json()["status"] == "ready"

    figures = requests.get(f"{service.address}/metrics", timeout=10).text

    for name in (
        'recommender_items_total{reason="collaborative"}',
        'recommender_lists_total{arm="collaborative"}',
        'recommender_reloads_total{outcome="swapped"}',
        'recommender_model_info{version="2026-11-20-',
        "recommender_model_age_seconds",
        'http_request_duration_seconds_count{endpoint="api.recommendations"}',
    ):
        assert name in figures


def test_users_of_the_control_arm_get_what_strangers_get_and_each_user_stays_in_one_arm(tmp_path):
    published(tmp_path / "store", lists={f"user-{number}": LISTS["ann"] for number in range(60)})
    experiment = Experiment("other", 0.5)

    with recommending(tmp_path, tmp_path / "store", CONTROL_SHARE="0.5", EXPERIMENT="other") as service:
        arms = Counter()
        for number in range(60):
            answer = ask(service, user_id=f"user-{number}", country="FR", n=1)
            arm = answer.json()["arm"]
            assert arm == experiment.arm(f"user-{number}")
            assert told(answer) == [(3, "collaborative") if arm == COLLABORATIVE else (20, "country_top")]
            arms[arm] += 1
        assert ask(service).json()["arm"] == "none"

    assert {*arms} == {CONTROL, COLLABORATIVE}


def test_keys_limits_and_other_origins_are_those_of_the_gateway(tmp_path):
    published(tmp_path / "store")
    settings = {
        "API_KEYS_SHA256": "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683",  # of "key"
        "RATE_LIMIT": "2/minute",
        "CORS_ORIGINS": "https://shop.example",
    }
    with recommending(tmp_path, tmp_path / "store", **settings) as service:
        assert ask(service).status_code == 401
        key = {"Authorization": "Bearer key", "Origin": "https://shop.example"}
        answers = [ask(service, headers=key) for _ in range(3)]
        probe = requests.get(f"{service.address}/readyz", timeout=10)

    assert [answer.status_code for answer in answers] == [200, 429, 429]  # who has no key is counted too
    assert answers[0].headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert probe.ok


def event(event_id):
    return {
        "event_id": event_id,
        "event": "click",
        "time": "2026-11-27T12:00:00Z",
        "user_id": "ann",
        "item_id": "app-3",
        "slot": "300x250",
        "position": 1,
        "arm": "collaborative",
        "model_version": "2026-11-20-00000000",
        "list_id": "0123456789abcdef",
    }


def test_events_are_taken_at_the_same_address(tmp_path):
    published(tmp_path / "store")
    with (
        redis_server(tmp_path) as redis,
        recommending(tmp_path, tmp_path / "store", REDIS_URL=redis.url) as service,
    ):
        taken = requests.post(f"{service.address}/v1/events", json={"events": [event("one")]}, timeout=10)

        assert (taken.status_code, taken.json()) == (202, {"accepted": 1})
        assert redis.client.xlen("step3:events") == 1


def test_without_redis_events_are_to_be_sent_again_and_recommendations_go_on(service):
    refused = requests.post(f"{service.address}/v1/events", json=event("two"), timeout=10)

    assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
    assert refused.headers["Retry-After"]
    assert told(ask(service, user_id="ann", n=1)) == [(3, "collaborative")]


def test_a_redis_that_hangs_costs_events_alone(tmp_path):
    published(tmp_path / "store")
    with socket.create_server(("127.0.0.1", 0), backlog=64) as hole, ThreadPoolExecutor(8) as pool:
        hanging = f"redis://127.0.0.1:{hole.getsockname()[1]}/0"  # it takes connections, and says nothing
        with recommending(tmp_path, tmp_path / "store", REDIS_URL=hanging, THREADS="4") as service:
            send = partial(requests.post, f"{service.address}/v1/events", json=event("three"), timeout=30)
            sent = [pool.submit(send) for _ in range(8)]
            wait_until(lambda: sum(one.done() for one in sent) >= 5)  # those that found no place

            assert all(ask(service, user_id="ann", n=1).elapsed < timedelta(seconds=4) for _ in range(10))
            hole.close()
            assert {one.result().status_code for one in sent} == {503}


def test_what_came_of_the_recommendations_is_shown(service):
    assert requests.get(f"{service.address}/v1/analytics", timeout=30).ok
    assert "<svg" in requests.get(f"{service.address}/analytics", timeout=30).text


@pytest.mark.parametrize(
    "settings",
    [
        {"PORT": "0"},
        {"CONTROL_SHARE": "2"},
        {"EXPERIMENT": "a b"},
        {"RELOAD_INTERVAL_S": "0"},
        {"RATE_LIMIT": "often"},
        {"HOST": "nowhere."},
    ],
    ids=str,
)
def test_a_wrong_setting_is_told_and_ends_the_start(settings, tmp_path):
    environment = os.environ | {"PORT": str(free_port()), "REDIS_URL": NO_REDIS} | settings
    command = [sys.executable, "-m", RECOMMENDER]

    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert run.returncode == 2
    assert next(iter(settings.values())) in run.stderr
    assert "Traceback" not in run.stderr


def test_it_needs_nothing_that_trains_or_shows_pictures():
    heavy = "{'numpy', 'scipy', 'duckdb', 'pyarrow', 'PIL', 'celery', 'sqlalchemy', 'boto3'}"
    program = f"import sys, step3_microservices.recommender.app; print(*sorted({heavy} & {{*sys.modules}}))"

    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert run.stdout.split() == []


def test_it_ends_when_it_is_asked_to(tmp_path):
    published(tmp_path / "store")
    with recommending(tmp_path, tmp_path / "store") as service:
        assert service.stop() == 0


def test_the_service_does_what_its_document_says(service, tmp_path):
    """But for its door for events, which without a Redis is closed; `test_recommender_events.py` tries that."""
    (tmp_path / "schemathesis.toml").write_text(
        '[[operations]]\ninclude-name = "GET /v1/recommendations"\n'
        'checks.negative_data_rejection.expected-statuses = ["4xx"]\n'  # many items make an address that is too long
    )

    result = st_run(service.address, tmp_path, "--max-examples", "50", "--exclude-path", "/v1/events")

    assert result.returncode == 0, result.stdout
