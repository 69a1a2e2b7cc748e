"""All of the recommender at once, as its users run it: lists, service, gateway, consumer, database, browser."""

import re
from contextlib import ExitStack

import pytest
import requests
from playwright.sync_api import expect

from step3_microservices.recommender.event_store import EventStore
from tests.app.page_contract import assert_accessible
from tests.app.serving import serving, wait_until
from tests.app.step2.test_schemathesis import st_run
from tests.app.step3.events_system import consuming
from tests.app.step3.recommending import published, recommending
from tests.app.step3.system import GATEWAY, redis_server
from tests.model.recommended import LISTS

WIDE = {"width": 1280, "height": 800}
FIRST = [f"App {number}" for number in range(4)]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('database')}/analytics.sqlite"


@pytest.fixture(scope="module")
def service(store, database, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    published(store)
    with ExitStack() as running:
        redis = running.enter_context(redis_server(folder))
        settings = {"REDIS_URL": redis.url, "ANALYTICS_DATABASE": database}
        running.enter_context(consuming(folder, redis.url, database))
        recommender = running.enter_context(recommending(folder, store, **settings))
        settings |= {"RECOMMENDER_URL": recommender.address, "RECOMMENDER_TIMEOUT_S": "4"}
        yield running.enter_context(serving(GATEWAY, folder, until_ready=False, **settings))


@pytest.fixture
def page(visit, service):
    """The page as a user sees it whose list is known."""
    page = visit("/docs/problems", viewport=WIDE, locale="de-DE")
    page.evaluate("localStorage.setItem('recommender/user', 'cai')")
    page.goto(f"{service.address}/")
    return page


def titles(page):
    return page.locator("#recommended .slot-title")


def figures(service):
    response = requests.get(f"{service.address}/v1/analytics", timeout=20)
    assert response.status_code == 200, response.text
    return response.json()


def test_what_is_shown_clicked_and_hidden_is_counted_and_shown_to_whoever_wants_to_know(page, service, database, look):
    events = EventStore(database)
    expect(titles(page)).to_have_text(FIRST)
    page.locator("#recommended").scroll_into_view_if_needed()
    wait_until(lambda: events.count() == 4)
    page.get_by_role("button", name=re.compile("^App 1")).click()
    page.get_by_role("button", name="Hide App 2").click()
    expect(titles(page)).to_have_text(["App 0", "App 1", "App 4", "App 3"])
    wait_until(lambda: events.count() == 7)
    events.close()

    page.goto(f"{service.address}/")
    expect(titles(page)).to_have_text(["App 0", "App 1", "App 3", "App 4"])

    def counted():
        total = figures(service)["total"]
        return (total["clicks"], total["dismissals"]) == (1, 1) and total["impressions"] >= 5

    wait_until(counted)  # figures are kept for some seconds
    assert figures(service)["by_arm"]["collaborative"]["clicks"] == 1
    assert figures(service)["by_country"]["DE"]["clicks"] == 1
    assert figures(service)["by_position"]["2"]["clicks"] == 1
    page.get_by_role("link", name="What people do with the recommendations").click()
    expect(page).to_have_url(f"{service.address}/analytics")
    assert_accessible(page)
    look(page, "analytics-through-the-gateway")


def test_a_new_model_is_on_the_page_without_anything_being_started_again(page, service, store):
    expect(titles(page)).to_have_text(FIRST)

    published(store, lists=LISTS | {"cai": tuple(range(20, 40))})

    def is_new():
        page.reload()
        expect(titles(page)).to_have_count(4)
        return titles(page).first.inner_text() == "App 20"

    wait_until(is_new)


def test_the_gateway_does_what_its_document_says_of_the_recommender(service, tmp_path):
    (tmp_path / "schemathesis.toml").write_text(
        '[[operations]]\ninclude-name = "GET /v1/recommendations"\n'
        'checks.negative_data_rejection.expected-statuses = ["4xx"]\n'  # many items make an address that is too long
    )
    doors = ("--include-path-regex", "^/v1/(recommendations|events|analytics)$")

    result = st_run(service.address, tmp_path, "--max-examples", "20", *doors)

    assert result.returncode == 0, result.stdout
    assert re.search(r"3 selected / \d+ total", result.stdout)


@pytest.mark.parametrize(
    ("path", "code"),
    [("/v1/recommendations?n=0", "request_invalid"), ("/v1/recommendations?slot=1x1", "request_invalid")],
)
def test_what_the_recommender_refuses_is_told_in_its_own_words(service, path, code):
    response = requests.get(service.address + path, timeout=10)

    assert (response.status_code, response.json()["code"]) == (400, code)
    assert response.headers["X-Trace-Id"] == response.json()["trace_id"]


def test_events_that_are_none_are_refused_with_what_is_wrong(service):
    response = requests.post(f"{service.address}/v1/events", json={"events": [{"event": "stare"}]}, timeout=10)

    assert (response.status_code, response.json()["code"]) == (400, "event_invalid")
