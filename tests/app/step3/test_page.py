"""The page of step 3, which leaves several pictures as jobs: it does what step 2's does, and shows how they get on."""

import hashlib
import io
import itertools
import json
import re
import time

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from tests.app.page_contract import (
    COFFEE_FILE,
    KEY,
    PageContract,
    assert_accessible,
    best,
    cards,
    choose,
    outcome,
)
from tests.app.serving import serving
from tests.app.step3.system import GATEWAY, nobody_working, running

ADDED = re.compile(r"/v1/jobs\?")
ONE_JOB = re.compile(r"/v1/jobs/\w+$")
EVENTS = re.compile(r"/v1/jobs/\w+/events$")
STREAMS_FULL = {"code": "streams_full", "status": 429, "detail": "As many as may be.", "remedy": "Ask instead."}
QUEUE_FULL = {"code": "queue_full", "status": 429, "detail": "256 pictures wait already.", "remedy": "Wait."}
STARTED = {"code": "job_started", "status": 409, "detail": "The job is running already.", "remedy": "Ask instead."}
UNKNOWN = {"code": "job_not_found", "status": 404, "detail": "There is no job.", "remedy": "A job is kept for 24 h."}
LATE = {"code": "deadline_exceeded", "status": 504, "detail": "It did not begin within 3600 s.", "remedy": "Ask again."}
BROKEN = {"code": "model_failed", "status": 500, "detail": "The model failed.", "remedy": "Tell.", "trace_id": "4bf9"}

numbers = itertools.count(int(time.time()))


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running(tmp_path_factory.mktemp("page"), RUNTIME="tensorflow") as system:
        yield system


@pytest.fixture(scope="module")
def guarded_service(service, tmp_path_factory):
    settings = {"REDIS_URL": service.redis.url, "API_KEYS_SHA256": hashlib.sha256(KEY.encode()).hexdigest()}
    with serving(GATEWAY, tmp_path_factory.mktemp("guarded"), **settings) as served:
        yield served


def new_pictures(count):
    """Return pictures that nobody has asked about before."""
    return [{"name": f"{n}.jpg", "mimeType": "", "buffer": new_picture()} for n in range(1, count + 1)]


def new_picture():
    number = next(numbers)
    picture = Image.radial_gradient("L").convert("RGB")
    ImageDraw.Draw(picture).text((10, 120), f"{number}", fill=(number % 256, 90, 200), font_size=40)
    file = io.BytesIO()
    picture.save(file, "JPEG")
    return file.getvalue()


def waiting(page):
    return page.locator("#answers .waiting:visible")


def requests_of(page):
    """Return a list that each request of the page is added to, as method, address and Idempotency-Key."""
    seen = []
    page.on("request", lambda asked: seen.append((asked.method, asked.url, asked.headers.get("idempotency-key", ""))))
    return seen


def reply(problem, **headers):
    return {
        "status": problem["status"],
        "headers": {"Content-Type": "application/problem+json"} | headers,
        "body": json.dumps(problem),
    }


def state(**fields):
    """Return a reply that says how a job is."""
    return {"status": 200, "content_type": "application/json", "body": json.dumps({"job_id": "a1"} | fields)}


class TestPage(PageContract):
    """One worker, one web process, with the settings that a laptop gets."""


class TestJobs:
    """Several pictures at once."""

    def test_one_picture_is_waited_for_and_several_are_jobs_each_under_a_key_of_its_own(self, page):
        seen = requests_of(page)
        choose(page, COFFEE_FILE)
        expect(best(page)).to_have_text("espresso")
        assert [method for method, address, _ in seen if "/v1/jobs" in address] == []

        choose(page, *new_pictures(4))
        expect(outcome(page)).to_have_text("4 pictures: 4 answered.")

        keys = [key for method, address, key in seen if method == "POST" and "/v1/jobs" in address]
        assert len(keys) == len({*keys}) == 4
        assert len([address for method, address, _ in seen if "/v1/classify" in address]) == 1

    def test_a_picture_that_comes_while_another_is_in_work_is_a_job_too(self, page, service):
        seen = requests_of(page)
        with nobody_working(service):
            choose(page, *new_pictures(1))
            expect(waiting(page)).to_have_text(["Being looked at …"])
            choose(page, *new_pictures(1))
            expect(waiting(page)).to_have_text([re.compile("^Queued, "), "Being looked at …"])

        expect(outcome(page)).to_have_text("2 pictures: 2 answered.")
        assert [address.partition("/v1/")[2][:4] for method, address, _ in seen if method == "POST"] == ["clas", "jobs"]

    def test_pictures_show_their_place_in_line_and_can_be_cancelled(self, page, service, look):
        with nobody_working(service):
            choose(page, *new_pictures(7))
            expect(waiting(page)).to_have_text([re.compile("^Queued, ")] * 7)
            lines = waiting(page).all_inner_texts()
            assert sorted(lines) == ["Queued, next in line.", *(f"Queued, number {n} in line." for n in range(2, 8))]
            expect(page.locator("#progress")).to_contain_text("0 of 7 pictures answered.")
            page.get_by_role("button", name="Cancel: 7.jpg").press("Enter")
            expect(cards(page).nth(6).get_by_role("alert")).to_contain_text("Cancelled.")
            expect(cards(page).nth(6)).to_be_focused()
            look(page, "in-work")
            expect(page.get_by_role("progressbar", name="0 of 7 pictures answered, 1 not.")).to_be_visible()

        expect(outcome(page)).to_have_text("7 pictures: 6 answered, 1 not.")
        expect(page.get_by_role("progressbar")).to_be_hidden()
        page.get_by_role("button", name="Try again: 7.jpg").click()
        expect(outcome(page)).to_have_text("7 pictures: 7 answered.")

    def test_all_that_wait_can_be_cancelled_at_once(self, page, service):
        with nobody_working(service):
            choose(page, *new_pictures(40))  # more than the page leaves at once
            expect(waiting(page).get_by_text("Queued, ")).to_have_count(32)
            page.get_by_role("button", name="Cancel what waits").click()
            expect(page.get_by_text("Cancelled.")).to_have_count(40)
            expect(page.get_by_role("heading", name="Answers")).to_be_focused()

        expect(outcome(page)).to_have_text("40 pictures: 0 answered, 40 not.")
        assert service.redis.client.keys("job:*")

    def test_few_are_listened_to_and_asked_about_seldom(self, page, service):
        seen = requests_of(page)
        with nobody_working(service):
            began = time.monotonic()
            choose(page, *new_pictures(6))
            expect(waiting(page)).to_have_text([re.compile("^Queued, ")] * 6)
            page.wait_for_timeout(3000)
            waited_s = time.monotonic() - began
            asked = [address for method, address, _ in seen if method == "GET" and ONE_JOB.search(address)]
            streams = [address for _, address, _ in seen if EVENTS.search(address)]
        expect(outcome(page)).to_have_text("6 pictures: 6 answered.")

        assert len(streams) == 2
        assert len({*asked}) == 4
        assert len(asked) <= 4 * waited_s, "each no more than once a second"
        later = [address for _, address, _ in seen if EVENTS.search(address)]
        assert len({*later}) > 2, "the next in line are listened to once the first have ended"

    def test_where_listening_fails_pictures_are_asked_about(self, page):
        page.route(EVENTS, lambda route: route.fulfill(**reply(STREAMS_FULL)))
        seen = requests_of(page)
        began = time.monotonic()
        choose(page, *new_pictures(5))

        expect(outcome(page)).to_have_text("5 pictures: 5 answered.")
        tried = len([address for _, address, _ in seen if EVENTS.search(address)])
        assert tried <= 2 * (1 + (time.monotonic() - began) // 10), "and not again for ten seconds"

    def test_a_lost_reply_is_asked_for_again_under_the_same_key(self, page, service):
        redis, lost = service.redis.client, []

        def lose_the_first(route):
            if lost:
                route.continue_()
            else:
                lost.append(route.request.headers["idempotency-key"])
                route.fetch()
                route.abort()

        page.route(ADDED, lose_the_first)
        seen = requests_of(page)
        known = {*redis.keys("job:*")}
        choose(page, *new_pictures(2))

        expect(outcome(page)).to_have_text("2 pictures: 2 answered.")
        keys = [key for method, _, key in seen if method == "POST"]
        assert (len(keys), len({*keys}), keys.count(lost[0])) == (3, 2, 2)
        assert len({*redis.keys("job:*")} - known) == 2

    def test_a_full_queue_is_told_in_words_and_tried_again_as_often_as_it_takes(self, page):
        refusals = iter(range(7))

        def refuse(route):
            if next(refusals, None) is None:
                route.continue_()
            else:
                route.fulfill(**reply(QUEUE_FULL, **{"Retry-After": "1"}))

        page.route(ADDED, refuse)
        choose(page, *new_pictures(2))

        expect(waiting(page).first).to_have_text("256 pictures wait already. Next try in 1 s.")
        expect(outcome(page)).to_have_text("2 pictures: 2 answered.")

    def test_what_has_begun_cannot_be_cancelled_and_goes_on(self, page, service):
        def begun(route):
            if route.request.method == "DELETE":
                route.fulfill(**reply(STARTED))
            else:
                route.continue_()

        def hold(route):
            streams.append(route)

        streams = []
        page.route(ONE_JOB, begun)
        page.route(EVENTS, hold)
        with nobody_working(service):
            choose(page, *new_pictures(2))
            page.get_by_role("button", name="Cancel: 2.jpg").click()
            expect(cards(page).nth(1).locator(".waiting")).to_have_text("Being looked at …")
            with page.expect_response(EVENTS):
                for stream in streams:
                    stream.continue_()  # and says that it waits, too late
            page.wait_for_timeout(500)
            expect(page.get_by_role("button", name="Cancel: 2.jpg")).to_be_hidden()

        expect(outcome(page)).to_have_text("2 pictures: 2 answered.")
        expect(page.get_by_role("alert")).to_have_count(0)

    @pytest.mark.parametrize(
        ("ending", "words"),
        [
            (state(status="expired", problem=LATE), "It did not begin within 3600 s. Ask again."),
            (state(status="failed", problem=BROKEN), "The model failed. Tell. Trace id: 4bf9"),
            (reply(UNKNOWN), "The service knows nothing of this picture any more. Try again."),
        ],
    )
    def test_what_was_not_answered_says_why_and_another_try_is_another_job(self, page, ending, words):
        page.route(EVENTS, lambda route: route.abort())
        page.route(ONE_JOB, lambda route: route.fulfill(**ending))
        page.route(ADDED, lambda route: route.fulfill(**state(status="queued", position=1)))
        seen = requests_of(page)
        choose(page, *new_pictures(2))
        expect(outcome(page)).to_have_text("2 pictures: 0 answered, 2 not.")
        pattern = re.compile(r"\s+".join(map(re.escape, words.split())))
        expect(page.get_by_role("alert")).to_have_text([pattern, pattern])
        page.unroute(ADDED)
        page.unroute(ONE_JOB)
        page.get_by_role("button", name="Try again: 1.jpg").click()

        expect(outcome(page)).to_have_text("2 pictures: 2 answered.")
        assert len({key for method, _, key in seen if method == "POST"}) == 4

    def test_while_the_service_cannot_be_reached_pictures_are_kept(self, page, service):
        page.route(EVENTS, lambda route: route.abort())
        with nobody_working(service):
            choose(page, *new_pictures(2))
            expect(waiting(page)).to_have_text([re.compile("^Queued, ")] * 2)
            page.route(ONE_JOB, lambda route: route.abort())
            words = "The service cannot be reached. The picture is kept, and asked about again …"
            expect(waiting(page)).to_have_text([words, words])
        page.unroute(ONE_JOB)

        expect(outcome(page)).to_have_text("2 pictures: 2 answered.")

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [1280, 320])
    def test_the_page_is_accessible_while_pictures_are_in_work(self, visit, service, look, scheme, width):
        page = visit(color_scheme=scheme, viewport={"width": width, "height": 740})
        with nobody_working(service):
            choose(page, *new_pictures(12))
            expect(waiting(page)).to_have_text([re.compile("^Queued, ")] * 12)
            page.get_by_role("button", name="Cancel: 3.jpg").click()
            expect(page.get_by_role("alert")).to_contain_text("Cancelled.")
            assert_accessible(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            look(page, f"in-work-{scheme}-{width}")
        expect(outcome(page)).to_have_text("12 pictures: 11 answered, 1 not.")
