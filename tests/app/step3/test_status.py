"""The status page and the door behind it, on a real system."""

import re
import time

import pytest
import requests
from playwright.sync_api import expect

from step3_microservices.gateway.status import quantile
from tests.app.http_contract import CAT
from tests.app.page_contract import assert_accessible
from tests.app.serving import serving, wait_until
from tests.app.step3.system import GATEWAY, nobody_working, running
from tests.app.step3.test_page import new_picture


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running(tmp_path_factory.mktemp("status"), RUNTIME="tensorflow", WEB_PROCESSES="2") as system:
        yield system


def status(service):
    response = requests.get(f"{service.address}/v1/status", timeout=10)
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    return response.json()


def ask(service, picture=CAT):
    return requests.post(f"{service.address}/v1/classify", data=picture, timeout=30)


def leave(service, picture):
    return requests.post(f"{service.address}/v1/jobs", data=picture, timeout=30).json()["job_id"]


def test_requests_are_counted_over_all_web_processes_with_their_latency_and_problems(service):
    before = status(service)

    for _ in range(8):
        assert ask(service, new_picture()).ok
    ask(service, b"no picture")

    after = status(service)
    assert after["answered"] - before["answered"] == 8
    assert sum(after["latency"]["counts"]) - sum(before["latency"]["counts"]) == 9
    assert len(after["latency"]["counts"]) == len(after["latency"]["bounds_s"]) + 1
    assert after["problems"]["not_an_image"] - before["problems"].get("not_an_image", 0) == 1
    assert before["time"] < after["time"] <= time.time()


def test_what_the_cache_has_answered_is_told(service):
    picture = new_picture()
    before = status(service)

    for _ in range(3):
        ask(service, picture)

    after = status(service)
    assert (after["looked_up"] - before["looked_up"], after["recalled"] - before["recalled"]) == (3, 2)


def test_queues_tell_how_many_wait_and_for_how_long(service):
    done = status(service)["jobs"]["done"]
    began = time.time()
    with nobody_working(service):
        jobs = [leave(service, new_picture()) for _ in range(4)]
        time.sleep(1)
        now = status(service)
        assert now["queues"]["jobs"]["length"] in {3, 4}, "the worker may have taken one before it was held"
        assert 0.9 < now["queues"]["jobs"]["oldest_s"] < now["time"] - began
        assert now["queues"]["interactive"] == {"length": 0, "oldest_s": 0}

    assert len({*jobs}) == 4
    wait_until(lambda: status(service)["jobs"]["done"] - done == 4)
    assert status(service)["queues"]["jobs"] == {"length": 0, "oldest_s": 0}


def test_workers_tell_their_model_and_speed(service):
    ask(service, new_picture())
    wait_until(lambda: status(service)["workers"][0]["images_per_s"] > 0)

    now = status(service)

    (worker,) = now["workers"]
    assert worker["model_version"] == now["model_version"]
    assert now["model_version"].startswith("efficientnet_lite0")
    assert worker["serving_since"] < now["time"]


def test_the_door_is_in_the_document(service):
    document = requests.get(f"{service.address}/openapi.json", timeout=10).json()

    schema = document["paths"]["/v1/status"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/StatusJson"}
    assert {*document["components"]["schemas"]["StatusJson"]["properties"]} == {*status(service)}


@pytest.mark.parametrize(
    ("counts", "share", "seconds"),
    [
        ([0, 0, 0], 0.5, None),
        ([4, 0, 0], 0.5, 0.5),
        ([1, 1, 0], 0.5, 1),
        ([1, 1, 2], 0.5, 3),
        ([1, 1, 2], 0.95, 3),
    ],
)
def test_a_quantile_lies_evenly_within_its_bounds(counts, share, seconds):
    assert quantile({"bounds_s": [1, 3], "counts": counts}, share) == seconds


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_page_draws_what_happens_while_it_is_open(visit, service, look):
    page = visit("/")
    page.get_by_role("link", name="How the service is").click()
    expect(page.get_by_role("status")).to_have_text(re.compile(r"^\s*1 worker answers with efficientnet_lite0"))
    charts = page.get_by_role("img")
    expect(charts).to_have_count(6)
    answered = page.locator("[data-figure=answered]")
    before = int(answered.inner_text())
    for _ in range(5):
        ask(service)

    expect(answered).to_have_text(f"{before + 5}")
    bars = page.locator("#answered path.series-1")
    expect(bars).to_have_attribute("d", re.compile(r"^M17\d"))
    with nobody_working(service):
        jobs = [leave(service, new_picture()) for _ in range(3)]
        expect(page.get_by_role("img", name="Pictures that wait")).to_have_attribute(
            "aria-label", re.compile(r"now interactive 0, jobs [23]\.")
        )
        expect(page.locator("[data-figure=jobs]")).to_have_text(re.compile("[23]"))
    assert jobs
    expect(page.locator("[data-figure=jobs]")).to_have_text("0")
    expect(page.locator("#latency .series-1 b")).to_have_text(re.compile(r"^\d+ ms$"))

    page.reload()
    expect(bars).to_have_attribute("d", re.compile(r"^M1[567]\d"))


def test_a_service_that_has_gone_is_told_and_so_is_its_return(visit):
    page = visit("/status")
    page.route("**/v1/status", lambda route: route.abort())
    expect(page.get_by_role("status")).to_have_text(re.compile("^The service has not answered since "))

    page.unroute("**/v1/status")
    expect(page.get_by_role("status")).to_contain_text("1 worker answers")


def test_without_javascript_a_table_tells_the_figures_of_now(visit, service, look):
    ask(service)
    page = visit("/status", java_script_enabled=False)

    table = page.get_by_role("table").first
    expect(table.get_by_role("row", name="Requests answered")).to_contain_text(f"{status(service)['answered']}")
    expect(table.get_by_role("row", name="95% of them within")).to_contain_text(re.compile(r"\d ms"))
    expect(page.get_by_role("row", name="efficientnet_lite0")).to_be_visible()
    expect(page.get_by_role("img")).to_have_count(0)
    look(page, "status-plain")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_the_page_is_accessible(visit, service, look, scheme, width):
    page = visit("/status", color_scheme=scheme, viewport={"width": width, "height": 740})
    expect(page.get_by_role("img")).to_have_count(6)
    ask(service, b"no picture")
    expect(page.get_by_role("link", name="not_an_image")).to_be_visible()

    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    look(page, f"status-{scheme}-{width}")


def test_without_redis_both_say_so(browser, service, tmp_path):
    with serving(GATEWAY, tmp_path, until_ready=False, REDIS_URL="redis://127.0.0.1:9/0") as lonely:
        answer = requests.get(f"{lonely.address}/v1/status", timeout=10)
        page = browser.new_page()
        page.goto(f"{lonely.address}/status")
        expect(page.get_by_role("status")).to_contain_text("The queue cannot be reached.")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        page.close()
