"""The slot on the page: a real browser, the real gateway, and behind it a recommender of a few lines."""

import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.app.page_contract import CAT_FILE, KEY, assert_accessible, best, choose, outcome
from tests.app.serving import serving
from tests.app.step3.system import GATEWAY, running
from tests.app.step3.upstream import ITEMS

WIDE, MIDDLE, PHONE = {"width": 1280, "height": 800}, {"width": 700, "height": 900}, {"width": 390, "height": 740}
SIZES = [(WIDE, "728x90", 4), (MIDDLE, "300x250", 6), (PHONE, "320x50", 1)]
NONSENSE = {"items": [None, 1, {"item_id": 2}, {"item_id": "a"}]}
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
TROUBLE = [
    {"is_broken": True},
    {"delay_s": 20},
    {"items": []},
    {"says": [1]},
    {"says": {"items": "x"}},
    {"says": NONSENSE},
]
EVENT_ID = re.compile(r"[0-9a-f]{32}")
SHIFTS = """() => new Promise((resolve) => {
    new PerformanceObserver((list) => resolve(list.getEntries().reduce((sum, one) => sum + one.value, 0)))
        .observe({ type: "layout-shift", buffered: true });
    setTimeout(() => resolve(0), 300);
})"""


@pytest.fixture(scope="module")
def service(recommender, artifacts, tmp_path_factory):
    settings = {"ARTIFACTS": str(artifacts), "RECOMMENDER_URL": recommender.address, "RECOMMENDER_TIMEOUT_S": "10"}
    with running(tmp_path_factory.mktemp("slot"), **settings) as system:
        yield system


def slot(page):
    return page.locator("#recommended")


def items(page):
    return slot(page).locator(".slot-open")


def titles(page):
    return slot(page).locator(".slot-title")


def come_to(page):
    slot(page).scroll_into_view_if_needed()


def until(page, condition):
    """Wait for what the browser sends by itself."""
    for _ in range(600):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not come")


def with_its_clock_held(visit, **settings):
    """Open the page with a clock that a test moves on: real time passes, and nothing was in view for long by it."""
    page = visit("/livez", **settings)
    page.clock.install(time=NOON)
    page.clock.pause_at(NOON + timedelta(seconds=1))
    page.goto(page.url.replace("livez", ""))
    expect(items(page)).to_have_count(4)
    return page


def looked_at(page):
    """Wait until the browser has told the page what of the slot is in view now."""
    page.evaluate(
        """() => new Promise((told) => {
            const observer = new IntersectionObserver(() => { observer.disconnect(); told(null); });
            observer.observe(document.getElementById('recommended'));
        })"""
    )


def show_another_tab(page, *, state):
    page.evaluate(
        "state => { Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        state,
    )


# --- what is shown ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fitting", SIZES, ids=[size for _, size, _ in SIZES])
def test_it_has_the_size_that_fits_and_moves_nothing_when_it_is_filled(visit, mood, look, fitting):
    viewport, size, count = fitting
    mood.may_answer.clear()
    page = visit(viewport=viewport)
    box = slot(page).bounding_box()
    shifts = page.evaluate(SHIFTS)  # the page's own script has its share
    expect(items(page)).to_have_count(0)
    mood.may_answer.set()
    expect(titles(page)).to_have_text([title for _, title, *_ in ITEMS[:count]])

    assert f"{box['width']:.0f}x{box['height']:.0f}" == size
    assert slot(page).bounding_box() == box
    assert page.evaluate(SHIFTS) == shifts
    come_to(page)
    page.locator("footer").scroll_into_view_if_needed()
    look(page, f"slot-{size}")
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_the_narrowest_phone_gets_a_smaller_one_of_the_same_shape(visit, mood, look):
    page = visit(viewport={"width": 320, "height": 640})
    expect(items(page)).to_have_count(1)
    box = slot(page).bounding_box()

    assert box["width"] / box["height"] == pytest.approx(320 / 50, rel=0.02)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    come_to(page)
    look(page, "slot-narrowest")


def test_a_phone_that_is_turned_gets_what_fits_then(visit, mood):
    page = visit(viewport=PHONE)
    expect(items(page)).to_have_count(1)

    page.set_viewport_size({"width": 844, "height": 390})

    expect(items(page)).to_have_count(4)
    assert slot(page).get_attribute("data-slot") == "728x90"


def test_it_asks_for_what_fits_this_browser(visit, mood):
    page = visit(viewport=WIDE, locale="de-CH")
    expect(items(page)).to_have_count(4)
    page.reload()
    expect(items(page)).to_have_count(4)
    other = visit(viewport=WIDE, locale="eo")
    expect(items(other)).to_have_count(4)

    first, again, by_another = mood.questions()
    assert (first["slot"], first["country"]) == ("728x90", "CH")
    assert EVENT_ID.fullmatch(first["user_id"])
    assert again == first
    assert by_another["user_id"] != first["user_id"]
    assert "country" not in by_another


def test_nothing_is_read_as_html(visit, mood):
    attack = "<img src=x onerror=alert(1)><b>bold</b>"
    mood.items = [
        ("app-1", attack, attack, attack),
        ('"><script>alert(1)</script>', "Second", "", "javascript:alert(1)"),
    ]
    page = visit(viewport=WIDE)

    expect(titles(page)).to_have_text([attack, "Second"])
    assert slot(page).locator("img, b, script").count() == 0
    expect(page.get_by_role("button", name=f"Hide {attack}")).to_be_visible()


def test_where_a_browser_stores_nothing_it_works_as_well(visit, mood):
    page = visit("/livez", viewport=WIDE)
    page.context.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('', 'SecurityError'); } })"
    )
    page.goto(page.url.replace("livez", ""))
    expect(items(page)).to_have_count(4)

    page.get_by_role("button", name="Hide Night Sky Atlas").click()

    until(page, lambda: mood.named("dismiss"))
    expect(titles(page).first).to_have_text("Pocket Ledger")


# --- what is told ----------------------------------------------------------------------------------------------------


def test_what_is_half_in_view_for_a_second_was_seen_and_is_told_once_in_one_request(visit, mood):
    page = visit(viewport=WIDE, locale="fr-CA")
    expect(items(page)).to_have_count(4)
    come_to(page)
    until(page, lambda: len(mood.named("impression")) >= 4)
    page.wait_for_timeout(1300)

    seen = mood.named("impression")
    assert [(one["item_id"], one["position"]) for one in seen] == [(f"app-{n}", n) for n in (1, 2, 3, 4)]
    assert len({one["event_id"] for one in seen}) == 4
    assert all(EVENT_ID.fullmatch(one["event_id"]) for one in seen)
    assert len([asked for asked in mood.asked if asked.path == "/v1/events"]) == 1
    first = seen[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first["time"])
    assert first["user_id"] == mood.questions()[0]["user_id"]
    dealt = {"arm": "collaborative", "experiment": "e1", "control_share": 0.25}
    answered = {"model_version": "2026-11-27-0a1b2c3d", "list_id": "l1", "slot": "728x90"}
    assert first | dealt | answered | {"country": "CA"} == first


def test_what_was_only_scrolled_past_was_not_seen(visit, mood):
    page = with_its_clock_held(visit, viewport={"width": 1280, "height": 300})
    for _ in range(3):
        come_to(page)
        looked_at(page)
        page.clock.run_for(600)
        page.evaluate("scrollTo(0, 0)")
        looked_at(page)
        page.clock.run_for(200)
    page.clock.run_for(1200)
    page.wait_for_timeout(300)
    assert mood.events() == []

    come_to(page)
    looked_at(page)
    page.clock.run_for(1200)
    until(page, lambda: len(mood.named("impression")) == 4)


def test_what_is_less_than_half_in_view_was_not_seen(visit, mood):
    page = visit(viewport={"width": 1280, "height": 300})
    expect(items(page)).to_have_count(4)
    edge = "scrollTo(0, 0); scrollBy(0, document.getElementById('recommended').getBoundingClientRect().top - 300 + {})"
    page.evaluate(edge.format(40))
    page.wait_for_timeout(1300)
    assert mood.events() == []

    page.evaluate(edge.format(60))
    until(page, lambda: len(mood.named("impression")) == 4)


def test_nobody_sees_what_is_in_a_tab_behind(visit, mood):
    page = with_its_clock_held(visit, viewport=WIDE)
    come_to(page)
    looked_at(page)
    page.clock.run_for(500)
    show_another_tab(page, state="hidden")
    page.clock.run_for(1300)
    show_another_tab(page, state="visible")
    page.clock.run_for(900)
    page.wait_for_timeout(300)
    assert mood.events() == []

    page.clock.run_for(300)
    until(page, lambda: len(mood.named("impression")) == 4)


def test_what_was_seen_just_before_the_page_is_left_is_told_too(visit, mood, service):
    page = with_its_clock_held(visit, viewport=WIDE)
    come_to(page)
    looked_at(page)
    page.clock.run_for(1050)  # seen, and not yet told
    page.wait_for_timeout(300)
    assert mood.events() == []

    page.goto(service.address + "/docs/problems")

    until(page, lambda: len(mood.named("impression")) == 4)


def test_a_click_is_told_and_the_page_says_what_becomes_of_it(visit, mood):
    page = visit(viewport=WIDE)
    items(page).nth(1).click()

    expect(outcome(page)).to_contain_text("Tram & Bus")
    until(page, lambda: mood.named("click"))
    assert [(one["item_id"], one["position"]) for one in mood.named("click")] == [("app-2", 2)]


def test_what_is_hidden_makes_room_for_the_next_and_does_not_come_again_in_this_browser(visit, mood):
    page = visit(viewport=WIDE)
    page.get_by_role("button", name="Hide Tram & Bus").click()

    expect(titles(page)).to_have_text(["Night Sky Atlas", "Pocket Ledger", "Sourdough Diary", "Chess Endgames"])
    until(page, lambda: mood.named("dismiss"))
    assert [(one["item_id"], one["position"]) for one in mood.named("dismiss")] == [("app-2", 2)]
    come_to(page)
    until(page, lambda: ("app-5", 2) in [(one["item_id"], one["position"]) for one in mood.named("impression")])

    page.reload()
    expect(titles(page)).to_have_text(["Night Sky Atlas", "Sourdough Diary", "Chess Endgames", "Pocket Ledger"])
    assert mood.questions()[-1]["installed"] == "app-2"
    other = visit(viewport=WIDE)
    expect(titles(other).nth(1)).to_have_text("Tram & Bus")


def test_what_somebody_else_has_stored_does_no_harm(visit, mood):
    page = visit(viewport=WIDE)
    for text in ("{}", "no JSON", '[1, "not an id", "app-1"]'):
        page.evaluate(
            "text => Object.assign(localStorage, {'recommender/hidden': text, 'recommender/user': text})", text
        )
        page.reload()
        expect(items(page)).to_have_count(4)

    expect(titles(page).first).to_have_text("Tram & Bus")
    assert mood.questions()[-1]["installed"] == "app-1"
    assert EVENT_ID.fullmatch(mood.questions()[-1]["user_id"])


def test_a_service_that_asks_for_a_key_gets_it_with_each_event(visit, mood, service, recommender, tmp_path):
    settings = {"REDIS_URL": service.redis.url, "RECOMMENDER_URL": recommender.address, "RECOMMENDER_TIMEOUT_S": "10"}
    key = {"API_KEYS_SHA256": hashlib.sha256(KEY.encode()).hexdigest()}
    with serving(GATEWAY, tmp_path, until_ready=False, **settings, **key) as guarded:
        page = visit(service=guarded, viewport=WIDE)
        items(page).first.click()
        page.wait_for_timeout(300)
        assert mood.events() == [], "it would be refused"
        page.get_by_label("API key").fill(KEY)
        items(page).nth(1).click()
        until(page, lambda: mood.named("click"))

        assert [one["item_id"] for one in mood.named("click")] == ["app-2"]
        page.close()


# --- who uses it -----------------------------------------------------------------------------------------------------


def test_everything_can_be_done_from_the_keyboard_and_the_focus_stays_in_the_slot(visit, mood):
    page = visit(viewport=WIDE)
    expect(items(page)).to_have_count(4)
    items(page).nth(3).focus()
    page.keyboard.press("Enter")
    until(page, lambda: mood.named("click"))
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Hide Chess Endgames")).to_be_focused()
    page.keyboard.press("Enter")

    expect(items(page).nth(3)).to_have_text(re.compile("Pocket Ledger"))
    expect(items(page).nth(3)).to_be_focused()
    expect(slot(page).locator("[aria-live]")).to_have_text("Chess Endgames is hidden.")


def test_when_nothing_is_left_for_a_place_the_focus_goes_to_a_neighbour(visit, mood):
    mood.items = ITEMS[:2]
    page = visit(viewport=WIDE)
    for title in ("Tram & Bus", "Night Sky Atlas"):
        page.get_by_role("button", name=f"Hide {title}").press("Enter")
        if title == "Tram & Bus":
            expect(items(page)).to_be_focused()

    expect(items(page)).to_have_count(0)
    assert slot(page).bounding_box()["height"] == 90


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("fitting", SIZES, ids=[size for _, size, _ in SIZES])
def test_it_is_accessible(visit, mood, look, scheme, fitting):
    viewport, size, count = fitting
    page = visit(viewport=viewport, color_scheme=scheme)
    expect(items(page)).to_have_count(count)
    expect(page.get_by_role("complementary", name="Recommended apps").get_by_role("listitem")).to_have_count(count)
    come_to(page)
    items(page).first.focus()
    assert_accessible(page)
    if scheme == "dark":
        look(page, f"slot-dark-{size}")


def test_without_a_script_nothing_is_there(visit, mood):
    page = visit(java_script_enabled=False, viewport=WIDE)

    expect(slot(page)).to_be_hidden()
    assert mood.asked == []


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble", [{"is_broken": True}, {"delay_s": 20}, {"items": []}], ids=lambda one: next(iter(one))
)
def test_a_recommender_in_trouble_leaves_the_slot_empty_and_the_classifier_alive(visit, mood, trouble):
    for name, value in trouble.items():
        setattr(mood, name, value)
    page = visit(viewport=WIDE)
    choose(page, CAT_FILE)
    expect(best(page)).to_have_text("Egyptian cat")
    until(page, lambda: mood.asked)

    expect(items(page)).to_have_count(0)
    expect(slot(page)).to_have_text("")
    assert slot(page).bounding_box()["height"] == 90, "its room stays, and nothing moves"
    assert_accessible(page)
