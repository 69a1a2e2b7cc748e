"""What the page of every step that has one promises people: a real browser, a real server, real photographs.

A step runs it against its own server: `class TestPage(PageContract)` beside two fixtures: `service`, with the `address`
of a running, ready service with the offline model and with settings that nobody has touched; and `guarded_service`,
which asks for the key "open sesame".
"""

import json
import re

import numpy as np
import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect

from shared.classifier.explain import lay_over
from shared.classifier.predictions import Explanation
from tests.app.browser import drop, paste
from tests.app.http_contract import CAT, cat_as, cut_short
from tests.conftest import SAMPLES

CAT_FILE, COFFEE_FILE = SAMPLES / "cat.jpg", SAMPLES / "coffee.jpg"
ASKED = re.compile(r"/v1/(classify|jobs)\b")  # where the page sends pictures
KEY = "open sesame"
# Told once all is drawn and kept; what comes before that moment comes while a picture is in work.
CAT_DONE, COFFEE_DONE = "cat.jpg: Egyptian cat, 30.4%.", "coffee.jpg: espresso, 77.9%."
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NOT_READY = {"code": "not_ready", "status": 503, "detail": "The model is being loaded.", "remedy": "Try again."}
UNEXPLAINED = {"code": "explanation_unsupported", "status": 422, "detail": "No.", "remedy": "Ask without."}


def choose(page, *files):
    page.set_input_files("#file", [*files])


def cards(page):
    return page.locator("#answers .card")


def best(page):
    return page.locator("#answers .prediction:first-child .label")


def outcome(page):
    return page.get_by_role("status")


def assert_accessible(page):
    result = Axe().run(page, options={"runOnly": WCAG})
    assert result.violations_count == 0, result.generate_report()
    assert result.response["passes"], "axe has looked at nothing"


def explained_by_the_script(service):
    """Return the cat's heat map as the script and the form draw it, on black."""
    answer = requests.post(f"{service.address}/v1/classify?explain=true", data=CAT, timeout=10).json()
    explanation = Explanation(0, answer["explanation"]["grid"], (0, 0, 1, 1))
    return np.asarray(lay_over(Image.new("RGB", (256, 256)), explanation), float)


class PageContract:
    """The suite."""

    # --- ways in -----------------------------------------------------------------------------------------------------

    def test_a_chosen_picture_is_shown_with_its_five_best_labels_as_bars(self, page, service, look):
        choose(page, CAT_FILE)

        expect(cards(page).locator(".prediction")).to_have_count(5)
        answer = page.request.post(f"{service.address}/v1/classify", data=CAT).json()
        lines = [line.split("\n") for line in cards(page).locator(".prediction").all_inner_texts()]
        expected = [[p["label"], f"{100 * p['probability']:.1f}%"] for p in answer["predictions"]]
        assert [[part.strip() for part in line if part.strip()] for line in lines] == expected
        widths = [bar.get_attribute("width") for bar in cards(page).locator("rect").all()]
        assert widths == [percent for _, percent in expected]
        expect(cards(page).locator(".picture")).to_have_js_property("naturalWidth", 451)
        expect(cards(page).locator("summary")).to_have_text(re.compile(r"^efficientnet_lite0, \d+ ms$"))
        cards(page).locator("summary").click()
        expect(cards(page).locator("dl")).to_contain_text(answer["model_version"])
        expect(cards(page).locator("dl")).to_contain_text("451 x 300 JPEG")
        expect(outcome(page)).to_have_text(CAT_DONE)
        look(page, "chosen")

    def test_pictures_may_be_dropped_anywhere(self, page):
        drop(page, CAT_FILE, COFFEE_FILE)

        expect(best(page)).to_have_text(["Egyptian cat", "espresso"])

    def test_a_picture_may_be_pasted(self, page):
        paste(page, cat_as("PNG"))

        expect(best(page)).to_have_text("Egyptian cat")
        expect(cards(page).locator("dl")).to_contain_text("451 x 300 PNG")

    def test_a_picture_may_be_taken_with_the_camera(self, visit, look):
        page = visit(permissions=["camera"])
        page.get_by_role("button", name="Take a photo").click()
        expect(page.get_by_role("button", name="Take it")).to_be_enabled()
        look(page, "camera")
        assert_accessible(page)
        page.get_by_role("button", name="Take it").click()

        expect(cards(page).locator(".prediction")).to_have_count(5)
        expect(page.get_by_role("heading", name="photo.jpg")).to_be_visible()
        expect(page.locator("#camera")).not_to_be_visible()
        expect(page.locator("video")).to_have_js_property("srcObject", None)  # the camera is off

    def test_a_camera_that_may_not_be_used_is_told_in_words(self, page):
        page.evaluate(
            "() => { navigator.mediaDevices.getUserMedia = "
            "() => Promise.reject(new DOMException('', 'NotAllowedError')) }"
        )
        page.get_by_role("button", name="Take a photo").click()

        expect(page.get_by_role("alert")).to_contain_text("allow it in your browser, or choose a picture instead.")
        page.keyboard.press("Escape")
        expect(page.locator("#camera")).not_to_be_visible()

    def test_a_camera_that_is_allowed_only_after_the_dialog_was_closed_is_turned_off(self, visit):
        page = visit(permissions=["camera"])
        page.evaluate(
            """() => {
                const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
                window.streams = [];
                navigator.mediaDevices.getUserMedia = async (wanted) => {
                    await new Promise((resolve) => setTimeout(resolve, 300));
                    window.streams.push(await real(wanted));
                    return window.streams.at(-1);
                };
            }"""
        )
        for key in ("Escape", None):
            page.get_by_role("button", name="Take a photo").click()
            if key:
                page.keyboard.press(key)
        expect(page.get_by_role("button", name="Take it")).to_be_enabled()
        page.get_by_role("button", name="Take it").dblclick()

        expect(cards(page)).to_have_count(1)
        states = "window.streams.flatMap((s) => s.getTracks().map((t) => t.readyState))"
        page.wait_for_function(f"`${{{states}}}` === 'ended,ended'")

    def test_a_camera_that_is_unplugged_is_told_in_words(self, visit):
        page = visit(permissions=["camera"])
        page.get_by_role("button", name="Take a photo").click()
        expect(page.get_by_role("button", name="Take it")).to_be_enabled()

        page.evaluate("document.querySelector('video').srcObject.getTracks()[0].dispatchEvent(new Event('ended'))")

        expect(page.get_by_role("alert")).to_contain_text("disconnected")
        expect(page.get_by_role("button", name="Take it")).to_be_disabled()

    def test_a_sample_is_one_click_away(self, page):
        page.get_by_role("button", name="Sample picture: coffee").click()

        expect(best(page)).to_have_text("espresso")

    def test_everything_can_be_done_from_the_keyboard(self, page, look):
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Tab")
            look(page, "focus")
            page.keyboard.press("Enter")
        chooser.value.set_files(COFFEE_FILE)
        expect(outcome(page)).to_have_text(COFFEE_DONE)

        for _ in range(2):  # past the camera
            page.keyboard.press("Tab")
        page.keyboard.press("Space")
        expect(page.get_by_role("switch")).to_be_checked()
        for _ in range(2):
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(best(page)).to_have_text("Egyptian cat")

    # --- several pictures, history -----------------------------------------------------------------------------------

    def test_several_pictures_make_a_grid_in_which_a_bad_one_harms_no_other(self, page, look):
        choose(page, CAT_FILE, SAMPLES / "README.md", COFFEE_FILE, SAMPLES / "rocket.jpg", SAMPLES / "astronaut.jpg")

        expect(outcome(page)).to_have_text("5 pictures: 4 answered, 1 not.")
        places = [card.bounding_box() for card in cards(page).all()]
        names = [card.get_by_role("heading").inner_text() for card in cards(page).all()]
        assert names == ["cat.jpg", "README.md", "coffee.jpg", "rocket.jpg", "astronaut.jpg"]
        assert len({place["x"] for place in places}) > 1
        assert len({place["y"] for place in places}) > 1
        expect(best(page)).to_have_text(["Egyptian cat", "espresso", "missile", "ping-pong ball"])
        expect(cards(page).nth(1).get_by_role("alert")).to_have_text(
            re.compile(r"not a picture.*Send a JPEG", re.DOTALL)
        )
        look(page, "several")

    def test_more_pictures_than_a_request_may_have_are_answered(self, page):
        choose(page, *[CAT_FILE] * 20)

        expect(outcome(page)).to_have_text("20 pictures: 20 answered.", timeout=120_000)

    def test_what_was_answered_stays_for_the_visit_and_can_be_opened_again(self, page, look):
        earlier = page.locator("#visit")
        choose(page, CAT_FILE)
        expect(outcome(page)).to_have_text(CAT_DONE)
        expect(best(page)).to_have_text("Egyptian cat")
        expect(earlier).to_be_hidden()
        choose(page, COFFEE_FILE)
        expect(outcome(page)).to_have_text(COFFEE_DONE)
        expect(best(page)).to_have_text("espresso")
        expect(earlier.get_by_role("listitem")).to_have_text("Egyptian cat, 30.4%")
        look(page, "visit")

        page.reload()
        expect(earlier.get_by_role("listitem")).to_have_text(["espresso, 77.9%", "Egyptian cat, 30.4%"])
        earlier.get_by_role("button", name="Egyptian cat").click()
        expect(cards(page).locator(".prediction")).to_have_count(5)
        expect(best(page)).to_have_text("Egyptian cat")
        expect(cards(page).locator(".picture")).to_have_js_property("naturalWidth", 451)
        expect(earlier.get_by_role("listitem")).to_have_text("espresso, 77.9%")

        page.get_by_role("button", name="Sample picture: rocket").click()
        expect(earlier.get_by_role("listitem")).to_have_text(["espresso, 77.9%", "Egyptian cat, 30.4%"])
        page.reload()
        earlier.get_by_role("button", name="Egyptian cat").click()
        expect(best(page)).to_have_text("Egyptian cat")

        earlier.get_by_role("button", name="Clear").click()
        expect(earlier).to_be_hidden()
        page.reload()
        expect(earlier).to_be_hidden()

    def test_another_visit_knows_nothing_of_this_one(self, visit):
        choose(visit(), CAT_FILE)

        other = visit()

        expect(other.locator("#visit")).to_be_hidden()

    def test_what_somebody_else_has_stored_does_no_harm(self, page):
        for text in ("{}", '"a"', '[{"id": "1", "name": "x"}]', "no JSON"):
            page.evaluate("text => sessionStorage.setItem('image-classifier/visit/1', text)", text)
            page.reload()
            choose(page, CAT_FILE)

            expect(best(page)).to_have_text("Egyptian cat")

    def test_the_focus_stays_where_a_person_has_put_it(self, page):
        page.get_by_role("button", name="Sample picture: cat").click()
        expect(outcome(page)).to_have_text(CAT_DONE)
        summary = cards(page).locator("summary")
        summary.focus()
        page.route(ASKED, lambda route: route.abort())
        choose(page, COFFEE_FILE)
        expect(page.get_by_role("alert")).to_be_visible()
        tile = page.locator("#visit").get_by_role("button", name="Egyptian cat")
        tile.focus()
        page.unroute(ASKED)
        page.get_by_role("button", name="Try again: coffee.jpg").press("Enter")
        expect(cards(page)).to_be_focused()
        expect(outcome(page)).to_have_text(COFFEE_DONE)

        tile.press("Enter")
        expect(cards(page)).to_be_focused()
        page.get_by_role("button", name="Clear").press("Enter")
        expect(page.locator("#file")).to_be_focused()

    def test_a_tile_keeps_the_focus_while_answers_come_in(self, page):
        choose(page, CAT_FILE)
        expect(outcome(page)).to_have_text(CAT_DONE)
        choose(page, COFFEE_FILE)
        tile = page.locator("#visit").get_by_role("button", name="Egyptian cat")
        tile.focus()

        drop(page, SAMPLES / "rocket.jpg")

        expect(best(page)).to_have_text("missile")
        expect(page.locator("#visit").get_by_role("listitem")).to_have_count(2)
        expect(tile).to_be_focused()

    # --- heat map ----------------------------------------------------------------------------------------------------

    def test_the_heat_map_lies_over_what_the_model_saw_and_is_told_in_words(self, page, service, look):
        choose(page, CAT_FILE)
        heat_map = cards(page).get_by_role("img", name="Heat map: what spoke for Egyptian cat is in the middle.")
        words = page.get_by_text("What spoke for Egyptian cat most is in the middle.")
        expect(best(page)).to_have_text("Egyptian cat")
        expect(heat_map).to_be_hidden()
        expect(words).to_be_hidden()

        page.get_by_role("switch", name="Heat map").click()

        expect(heat_map).to_be_visible()
        expect(words).to_be_visible()
        photograph, map_ = cards(page).locator(".picture").bounding_box(), heat_map.bounding_box()
        assert map_["width"] == pytest.approx(map_["height"], abs=2), "the model sees a square"
        assert map_["height"] == pytest.approx(0.875 * photograph["height"], abs=2)
        assert map_["x"] + map_["width"] / 2 == pytest.approx(photograph["x"] + photograph["width"] / 2, abs=2)
        drawn = np.reshape(
            heat_map.evaluate("c => [...c.getContext('2d').getImageData(0, 0, 256, 256).data]"), (256, 256, 4)
        )
        on_black = drawn[:, :, :3] * (drawn[:, :, 3:] / 255)
        assert np.abs(on_black - explained_by_the_script(service)).mean() < 4, "of 255"
        look(page, "heat-map")

        page.get_by_role("switch", name="Heat map").click()
        expect(heat_map).to_be_hidden()

    def test_a_picture_that_the_browser_does_not_show_gets_its_heat_map_in_words(self, page):
        page.get_by_role("switch", name="Heat map").click()
        choose(page, {"name": "cat.tiff", "mimeType": "", "buffer": cat_as("TIFF")})

        expect(page.get_by_text("What spoke for Egyptian cat most is in the middle.")).to_be_visible()
        expect(cards(page).locator("canvas")).to_have_count(0)

    def test_a_model_that_cannot_be_explained_answers_and_the_switch_says_why_it_is_off(self, page):
        def refuse(route):
            if "explain=true" in route.request.url:
                route.fulfill(status=422, content_type="application/problem+json", body=json.dumps(UNEXPLAINED))
            else:
                route.continue_()

        page.route(ASKED, refuse)
        choose(page, CAT_FILE, COFFEE_FILE)

        expect(best(page)).to_have_text(["Egyptian cat", "espresso"])
        expect(page.get_by_role("switch", name="not possible with this model")).to_be_disabled()

    # --- what goes wrong ---------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("half.jpg", cut_short(), r"ends too early.*Send the file again"),
            ("letter.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", r"looks like application/pdf.*Send a JPEG"),
            ("empty.jpg", b"", r"empty.*Choose another"),
            ("huge.jpg", CAT + bytes(21 * 2**20), r"21\.1 MiB; the limit is 20\.0 MiB.*smaller copy"),
        ],
    )
    def test_a_picture_that_cannot_be_answered_says_why_and_what_to_do(self, page, tmp_path, name, content, words):
        file = tmp_path / name
        file.write_bytes(content)
        choose(page, file)

        expect(page.get_by_role("alert")).to_have_text(re.compile(words, re.DOTALL))
        expect(outcome(page)).to_have_text(f"{name} was not answered.")
        expect(page.get_by_role("button", name="Try again")).to_be_hidden()

    def test_without_a_network_the_page_says_so_and_can_try_again(self, page, look):
        page.route(ASKED, lambda route: route.abort())
        choose(page, CAT_FILE)
        expect(page.get_by_role("alert")).to_contain_text("The service cannot be reached. Check that you are online")
        look(page, "unreachable")

        page.unroute(ASKED)
        page.get_by_role("button", name="Try again").click()

        expect(best(page)).to_have_text("Egyptian cat")
        expect(page.get_by_role("alert")).to_be_hidden()

    def test_one_click_tries_all_again_that_a_network_has_failed_and_a_new_picture_does_not_discard_them(self, page):
        page.route(ASKED, lambda route: route.abort())
        choose(page, CAT_FILE, COFFEE_FILE)
        expect(page.get_by_role("alert")).to_have_count(2)
        page.unroute(ASKED)
        choose(page, SAMPLES / "rocket.jpg")
        expect(best(page)).to_have_text("missile")
        expect(cards(page)).to_have_count(3)

        page.get_by_role("button", name="Try again: coffee.jpg").click()

        expect(best(page)).to_have_text(["missile", "Egyptian cat", "espresso"])

    def test_an_error_of_the_service_names_the_trace_that_finds_it(self, page):
        problem = {"code": "internal_error", "status": 500, "detail": "Wrong.", "remedy": "Tell.", "trace_id": "4bf92f"}
        page.route(ASKED, lambda route: route.fulfill(status=500, body=json.dumps(problem)))
        choose(page, CAT_FILE)

        expect(page.get_by_text("Trace id: 4bf92f")).to_be_visible()

    def test_a_sample_that_cannot_be_fetched_is_not_taken_for_a_picture(self, page):
        page.route("**/samples/*", lambda route: route.fulfill(status=502, body="<h1>nginx"))
        page.get_by_role("button", name="Sample picture: cat").click()

        expect(outcome(page)).to_contain_text("The sample cannot be fetched.")
        expect(cards(page)).to_have_count(0)

    def test_the_page_works_where_an_address_is_wrong_too(self, visit):
        page = visit("/samples/nothing.jpg")
        expect(page.get_by_role("alert")).to_contain_text("not found")
        choose(page, CAT_FILE)

        expect(best(page)).to_have_text("Egyptian cat")

    def test_who_listens_is_told_that_a_picture_is_in_work(self, page):
        told = []

        def listen(route):
            told.append(outcome(page).inner_text())
            route.continue_()

        page.route(ASKED, listen)
        choose(page, CAT_FILE)

        expect(outcome(page)).to_have_text(CAT_DONE)
        assert told[0] == "cat.jpg is being looked at."

    @pytest.mark.parametrize("viewport", [{"width": 390, "height": 740}, {"width": 1280, "height": 720}])
    def test_an_answer_comes_into_view(self, visit, viewport):
        page = visit(viewport=viewport)
        choose(page, CAT_FILE)

        expect(cards(page).locator(".prediction").last).to_be_in_viewport()

    def test_while_the_model_loads_the_page_counts_down_and_asks_again(self, page):
        seconds = iter(["5", "1"])  # the first of them long enough to be seen

        def late(route):
            if wait_s := next(seconds, None):
                headers = {"Retry-After": wait_s, "Content-Type": "application/problem+json"}
                route.fulfill(status=503, headers=headers, body=json.dumps(NOT_READY))
            else:
                route.continue_()

        page.route(ASKED, late)
        choose(page, CAT_FILE)

        expect(outcome(page)).to_have_text("The model is being loaded. Next try in 5 s.")
        expect(cards(page).locator(".waiting")).to_have_text(
            re.compile(r"The model is being loaded\. Next try in [1-4] s\.")
        )
        expect(best(page)).to_have_text("Egyptian cat")

    @pytest.mark.parametrize(
        ("status", "body", "words", "may_pass"),
        [
            (502, "<h1>nginx", "Try again in a while", True),
            (413, "<h1>nginx", "Send a smaller copy", False),
            (403, '{"message": "Forbidden"}', "Try again in a while", False),
            (200, "null", "Try again in a while", True),
            (200, '{"predictions": [', "Try again in a while", True),
        ],
    )
    def test_what_is_not_an_answer_of_the_service_is_told_in_our_words(self, page, status, body, words, may_pass):
        page.route(ASKED, lambda route: route.fulfill(status=status, body=body))
        choose(page, CAT_FILE)

        expect(page.get_by_role("alert")).to_have_text(re.compile(rf"\(status {status}\)\.\s+{words}"))
        assert page.get_by_role("button", name="Try again").is_visible() == may_pass
        expect(outcome(page)).to_have_text("cat.jpg was not answered.")

    def test_a_name_is_text_whatever_it_says(self, page):
        name = '<img src=x onerror="document.title=1">.jpg'
        choose(
            page,
            {"name": name, "mimeType": "image/jpeg", "buffer": CAT},
        )

        expect(page.get_by_role("heading", name=name)).to_be_visible()
        expect(page).to_have_title("What does the picture show?")

    def test_a_picture_that_the_browser_cannot_show_is_answered(self, page):
        choose(page, {"name": "cat.tiff", "mimeType": "", "buffer": cat_as("TIFF")})

        expect(best(page)).to_have_text("Egyptian cat")
        expect(page.get_by_text("Your browser cannot show this type of picture.")).to_be_visible()

    def test_where_keys_are_asked_for_the_page_has_a_field_for_one(self, visit, guarded_service, look):
        page = visit(service=guarded_service)
        page.get_by_role("button", name="Sample picture: cat").click()
        expect(page.get_by_role("alert")).to_contain_text("enter it on the page")
        assert_accessible(page)
        look(page, "key")
        page.get_by_label("API key").fill("open “sesame”")
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("alert")).to_contain_text("Copy the key again")

        page.get_by_label("API key").fill("open sesame")
        page.get_by_role("button", name="Try again").click()

        expect(best(page)).to_have_text("Egyptian cat")

    def test_without_javascript_the_key_goes_with_the_form(self, visit, guarded_service):
        page = visit(service=guarded_service, java_script_enabled=False)
        page.get_by_label("API key").fill("open sesame")
        choose(page, CAT_FILE)
        page.get_by_role("button", name="Say what they show").click()

        expect(best(page)).to_have_text("Egyptian cat")

    # --- without the script ------------------------------------------------------------------------------------------

    def test_without_javascript_a_form_renders_the_answers(self, plain, look):
        expect(plain.get_by_role("button", name="Take a photo")).to_be_hidden()
        choose(plain, CAT_FILE, SAMPLES / "README.md")
        plain.get_by_role("switch", name="Heat map").check()
        look(plain, "plain-form")
        plain.get_by_role("button", name="Say what they show").click()

        expect(plain.get_by_role("heading", name="Answers")).to_be_visible()
        expect(cards(plain)).to_have_count(2)
        expect(best(plain)).to_have_text("Egyptian cat")
        expect(cards(plain).first.locator(".percent").first).to_have_text("30.4%")
        expect(cards(plain).first.locator("summary")).to_have_text(re.compile(r"^\s*efficientnet_lite0, \d+ ms\s*$"))
        expect(cards(plain).nth(1).get_by_role("alert")).to_contain_text("not a picture")
        expect(plain.get_by_role("switch", name="Heat map")).to_be_checked()
        expect(plain.get_by_text("What spoke for Egyptian cat most is in the middle.")).to_be_visible()
        look(plain, "plain-answers")

    def test_without_javascript_a_sample_is_one_click_away_too(self, plain):
        plain.get_by_role("button", name="Sample picture: rocket").click()

        expect(best(plain)).to_have_text("missile")
        expect(plain.get_by_role("img", name="The picture rocket.jpg")).to_be_visible()

    def test_without_javascript_a_form_that_nobody_filled_in_is_a_problem_in_words(self, plain, look):
        plain.get_by_role("switch", name="Heat map").check()
        plain.get_by_role("button", name="Say what they show").click()

        expect(plain.get_by_role("alert")).to_contain_text("There is no picture in this request.")
        expect(plain.get_by_role("switch", name="Heat map")).to_be_checked()
        look(plain, "plain-problem")

    def test_the_page_and_the_form_say_the_same(self, page, plain):
        for one in (page, plain):
            choose(one, CAT_FILE)
        plain.get_by_role("button", name="Say what they show").click()
        expect(best(page)).to_have_text("Egyptian cat")

        drawn, rendered = (
            [*map(" ".join, map(str.split, cards(one).locator(".prediction").all_inner_texts()))]
            for one in (page, plain)
        )
        assert drawn == rendered
        names, plain_names = (one.locator("#answers dt").all_text_contents() for one in (page, plain))
        assert names == plain_names == ["model", "picture", "decode", "preprocess", "predict"]
        facts, plain_facts = (one.locator("#answers dd").all_text_contents()[:2] for one in (page, plain))
        assert facts == plain_facts

    # --- everybody, everywhere ---------------------------------------------------------------------------------------

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [1280, 320])
    def test_the_page_is_accessible_in_every_state(self, visit, look, scheme, width):
        page = visit(color_scheme=scheme, viewport={"width": width, "height": 740})
        assert_accessible(page)

        choose(page, COFFEE_FILE)
        expect(outcome(page)).to_have_text(COFFEE_DONE)
        page.get_by_role("switch", name="Heat map").click()
        long_name = {"name": "a" * 200 + ".jpg", "mimeType": "", "buffer": CAT}
        choose(page, long_name, {"name": "README.md", "mimeType": "", "buffer": b"# Samples"})
        expect(outcome(page)).to_have_text("2 pictures: 1 answered, 1 not.")
        cards(page).first.locator("summary").click()

        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        sizes = [
            button.bounding_box() for button in page.locator("button:visible, summary:visible, .button:visible").all()
        ]
        assert min(size["height"] for size in sizes) >= 24
        look(page, f"{scheme}-{width}")

    def test_dark_is_dark(self, visit):
        light, dark = (
            visit(color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
            for scheme in ("light", "dark")
        )

        brightness = [sum(map(int, re.findall(r"\d+", colour))) for colour in (light, dark)]
        assert brightness[0] > 600
        assert brightness[1] < 150

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_the_form_without_javascript_is_accessible(self, visit, service, scheme):
        """Axe itself is a script, so it looks at what the form rendered in a page that may run some."""
        plain = visit(java_script_enabled=False)
        choose(plain, CAT_FILE, SAMPLES / "README.md")
        plain.get_by_role("button", name="Say what they show").click()
        rendered = plain.content()

        page = visit(color_scheme=scheme)
        page.route(service.address + "/rendered", lambda route: route.fulfill(body=rendered, content_type="text/html"))
        page.route("**/page.js", lambda route: route.abort())
        page.goto(service.address + "/rendered")

        expect(best(page)).to_have_text("Egyptian cat")
        assert_accessible(page)

    @pytest.mark.parametrize("width", [1280, 320])
    def test_the_list_of_problems_is_accessible_and_marks_the_one_that_was_asked_for(self, visit, look, width):
        page = visit("/docs/problems#image_truncated", viewport={"width": width, "height": 700})

        assert_accessible(page)
        assert page.locator("tr:target").inner_text().startswith("image_truncated")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        look(page, f"problems-{width}")

    def test_the_documentation_works_without_the_internet(self, visit, service, look):
        page = visit("/docs")

        doors = requests.get(f"{service.address}/openapi.json", timeout=10).json()["paths"].values()
        expect(page.locator(".opblock")).to_have_count(sum(map(len, doors)))
        page.locator(".opblock-post .opblock-summary-control", has_text="/v1/classify").click()
        expect(page.get_by_text("top_k", exact=True)).to_be_visible()
        look(page, "docs")
