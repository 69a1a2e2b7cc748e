"""Rates, intervals and the ratio of the arms: as JSON, on the page, and back as logs."""

import json
import random
import re
from datetime import UTC, date, datetime, timedelta

import pytest
import requests
from playwright.sync_api import expect
from scipy import stats

from step3_microservices.gateway.problems import NotReadyError
from step3_microservices.recommender.analytics_charts import day_chart, interval_line, percent, scale_of
from step3_microservices.recommender.analytics_figures import Analytics, RateJson
from step3_microservices.recommender.click_rates import Outcome, wilson_interval
from step3_microservices.recommender.event_store import EventStore
from step3_microservices.recommender.experiment import COLLABORATIVE, CONTROL, NO_ARM, Experiment, SampleRatio
from step3_microservices.recommender.export_events import main
from tests.app.http_contract import assert_problem
from tests.app.page_contract import assert_accessible
from tests.app.step3.events_system import kept
from tests.app.step3.recommending import in_this_process, recommending


@pytest.fixture
def store(tmp_path):
    store = EventStore(f"sqlite:///{tmp_path}/analytics.sqlite")
    yield store
    store.close()


def url_of(store):
    return store._engine.url.render_as_string(hide_password=False)


# --- the statistics --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("clicks", "impressions"), [(0, 1), (1, 1), (3, 10), (0, 1000), (17, 1000), (999, 1000)])
def test_intervals_are_wilsons(clicks, impressions):
    expected = stats.binomtest(clicks, impressions).proportion_ci(0.95, method="wilson")

    assert wilson_interval(clicks, impressions) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_of_nothing_any_rate_may_be_true():
    assert wilson_interval(0, 0) == (0, 1)
    assert Outcome().rate is None


@pytest.mark.parametrize(
    ("control", "other", "share"), [(500, 500, 0.5), (480, 520, 0.5), (90, 1000, 0.1), (0, 7, 0.5)]
)
def test_the_sample_ratio_is_tested_by_chi_square(control, other, share):
    users = control + other
    expected = stats.chisquare([control, other], [users * share, users * (1 - share)])

    ratio = SampleRatio(control, other, share)

    assert (ratio.chi_square, ratio.p_value) == pytest.approx((expected.statistic, expected.pvalue), abs=1e-12)
    assert ratio.is_off == (expected.pvalue < 0.001)


@pytest.mark.parametrize("ratio", [SampleRatio(0, 0, 0.5), SampleRatio(0, 9, 0.0), SampleRatio(9, 0, 1.0)])
def test_where_there_is_one_arm_or_no_user_there_is_no_alarm(ratio):
    assert (ratio.chi_square, ratio.p_value, ratio.is_off) == (None, None, False)


def test_the_alarm_is_quiet_where_nothing_is_wrong_and_rings_where_one_in_ten_is_lost():
    experiment, noise = Experiment("a test", 0.5), random.Random(1)
    arms = [experiment.arm(f"user-{number}") for number in range(20_000)]
    control, other = arms.count(CONTROL), arms.count(COLLABORATIVE)
    lossy = sum(arm == CONTROL and noise.random() < 0.9 for arm in arms)

    assert control + other == 20_000
    assert not SampleRatio(control, other, 0.5).is_off
    assert SampleRatio(lossy, other, 0.5).is_off


def test_an_arm_is_a_users_for_good_and_another_experiment_deals_anew():
    users = [f"user-{number}" for number in range(2000)]
    first, again, other = Experiment("one"), Experiment("one"), Experiment("two")

    same = sum(first.arm(user) == other.arm(user) for user in users)

    assert [first.arm(user) for user in users] == [again.arm(user) for user in users]
    assert 0.45 < same / len(users) < 0.55
    assert {Experiment("one", 0.0).arm(user) for user in users} == {COLLABORATIVE}
    assert {Experiment("one", 1.0).arm(user) for user in users} == {CONTROL}
    assert first.arm(None) == first.arm("") == NO_ARM


def test_the_share_of_users_in_control_is_the_one_that_was_set():
    arms = [Experiment("shares", 0.2).arm(f"user-{number}") for number in range(20_000)]

    assert stats.binomtest(arms.count(CONTROL), len(arms), 0.2).pvalue > 0.001


# --- the figures -----------------------------------------------------------------------------------------------------


def figures_of(store, events, days=28):
    store.add(events)
    analytics = Analytics(url_of(store), keep_s=0)
    figures = analytics.figures(days)
    analytics.close()
    return figures


def counts(rates):
    return {name: (rate.impressions, rate.clicks, rate.dismissals) for name, rate in rates.items()}


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request, store):
    if request.param == "sqlite":
        yield store
        return
    other = EventStore(request.getfixturevalue("postgresql").new_database())
    yield other
    other.close()


def test_rates_are_told_by_arm_position_country_and_day(any_store):
    now = datetime.now(UTC)
    yesterday = now - timedelta(days=1)
    one = {"list_id": "one", "user_id": "a", "arm": "control", "country": "DE"}
    two = {"list_id": "two", "user_id": "b", "arm": "collaborative", "country": "FR"}
    strangers = {"list_id": "three", "user_id": "", "arm": "none", "country": ""}

    figures = figures_of(any_store, [
        kept(1, item_id="x", position=1, at=yesterday, **one),
        kept(2, item_id="y", position=2, at=yesterday, **one),
        kept(3, item_id="x", position=1, at=now, **two),
        kept(4, item_id="x", position=1, at=now, **strangers),
        kept(2, "click", item_id="y", position=2, at=yesterday, **one),
        kept(3, "dismiss", item_id="x", position=1, at=now, **two),
    ])  # fmt: skip

    assert counts({"": figures.total}) == {"": (4, 1, 1)}
    assert counts(figures.by_arm) == {"control": (2, 1, 0), "collaborative": (1, 0, 1), "none": (1, 0, 0)}
    assert counts(figures.by_position) == {"1": (3, 0, 1), "2": (1, 1, 0)}
    assert counts(figures.by_country) == {"DE": (2, 1, 0), "FR": (1, 0, 1), "": (1, 0, 0)}
    assert counts(figures.by_day) == {f"{yesterday.date()}": (2, 1, 0), f"{now.date()}": (2, 0, 1)}
    assert figures.by_arm["control"].rate == 0.5
    assert (figures.by_arm["control"].low, figures.by_arm["control"].high) == wilson_interval(1, 2)
    (ratio,) = figures.sample_ratios
    assert (ratio.experiment, ratio.control_share) == ("collaborative-lists", 0.5)
    assert (ratio.control_users, ratio.collaborative_users) == (1, 1)


def seen_by(experiment, users):
    """What that many users were shown, each twice, while that experiment ran."""
    dealt = {"experiment": experiment.name, "control_share": experiment.control_share}
    name = f"{experiment.name}-{experiment.control_share}"
    return [
        kept(number, event_id=f"{name}-{number}-{again}", list_id=f"{name}-{number}-{again}", arm=arm, **dealt, **given)
        for number in range(users)
        for given in [{"user_id": f"user-{number}"}]
        for arm in [experiment.arm(given["user_id"])]
        for again in range(2)
    ]


def test_an_experiment_or_a_share_that_was_changed_rings_no_alarm(any_store):
    before, after, other = Experiment("one", 0.5), Experiment("one", 0.1), Experiment("two", 0.1)

    figures = figures_of(any_store, seen_by(before, 600) + seen_by(after, 500) + seen_by(other, 400))

    ratios = figures.sample_ratios
    dealt = [(ratio.experiment, ratio.control_share) for ratio in ratios]
    assert dealt == [("one", 0.5), ("one", 0.1), ("two", 0.1)]
    assert [ratio.control_users + ratio.collaborative_users for ratio in ratios] == [600, 500, 400]
    assert [ratio.is_off for ratio in ratios] == [False, False, False]
    control = sum(ratio.control_users for ratio in ratios)
    assert SampleRatio(control, 1500 - control, after.control_share).is_off, "all at once it would have rung"


def test_the_alarm_still_rings_for_the_one_of_several_that_lost_users(store):
    lossy = [
        event
        for event in seen_by(Experiment("two", 0.5), 400)
        if event.event.arm != CONTROL or event.event.user_id < "user-25"
    ]

    figures = figures_of(store, seen_by(Experiment("one", 0.5), 500) + lossy)

    assert [(ratio.experiment, ratio.is_off) for ratio in figures.sample_ratios] == [("one", False), ("two", True)]


def test_users_of_whom_it_is_not_known_how_they_were_dealt_count_for_no_ratio(store):
    older = [kept(number, experiment=None, control_share=None) for number in range(20)]
    strangers = [kept(number, "click", user_id="", arm="none") for number in range(20)]

    assert figures_of(store, older + strangers).sample_ratios == []


def test_of_what_clients_make_up_no_more_ratios_are_told_than_a_page_can_show(store):
    made_up = [kept(number, experiment=f"made-up-{number}", user_id=f"user-{number}") for number in range(30)]

    figures = figures_of(store, made_up + seen_by(Experiment("real", 0.5), 50))

    assert len(figures.sample_ratios) == 10
    assert figures.sample_ratios[0].experiment == "real"


def test_an_item_of_a_list_counts_once_and_only_if_it_was_seen(store):
    same = {"list_id": "one", "item_id": "x", "position": 1}
    events = [kept(number, kind, **same) for kind in ("impression", "click") for number in range(3)]
    unseen = [kept(9, "click", list_id="one", item_id="y"), kept(9, "dismiss", list_id="two", item_id="x")]

    figures = figures_of(store, events + unseen)

    assert (figures.total.impressions, figures.total.clicks, figures.total.rate) == (1, 1, 1.0)
    assert figures.answered_unseen == 2


def test_only_the_days_that_were_asked_for_count(store):
    now = datetime.now(UTC)
    today = now.date()
    events = [kept(number, at=now - timedelta(days=number), list_id=f"list-{number}") for number in range(10)]

    figures = figures_of(store, events, days=3)

    assert [*figures.by_day] == [f"{today - timedelta(days=number)}" for number in (2, 1, 0)]
    assert (figures.since, figures.until) == (today - timedelta(days=2), today)


def test_countries_come_with_the_most_impressions_first(store):
    countries = ["DE", "FR", "FR", "AT", "FR", "AT"]
    events = [kept(number, list_id=f"list-{number}", country=country) for number, country in enumerate(countries)]

    assert [*figures_of(store, events).by_country] == ["FR", "AT", "DE"]


def test_while_figures_are_added_up_nobody_waits_for_them(store):
    analytics = Analytics(url_of(store), keep_s=0)
    with analytics._lock, pytest.raises(NotReadyError, match="being added up"):
        analytics.figures(7)
    before = analytics.figures(7)
    store.add([kept(1)])

    with analytics._lock:
        meanwhile = analytics.figures(7)

    assert meanwhile == before
    assert analytics.figures(7).total.impressions == 1
    analytics.close()


# --- the lines -------------------------------------------------------------------------------------------------------


def test_a_scale_is_round_and_not_stretched_by_what_rests_on_little():
    steady, thin = Outcome(10_000, 300), Outcome(3, 1)
    rates = [a_rate(steady), a_rate(thin)]

    assert scale_of(rates) == 0.05
    assert scale_of([a_rate(thin)]) == 1.0
    assert scale_of([]) == 1.0
    assert interval_line(a_rate(steady), 0.05).rates == "M60.00 15V85"
    assert interval_line(a_rate(thin), 0.05).intervals.endswith("H100.00"), "what is beyond is cut"


def test_days_without_impressions_are_a_gap():
    days = {"2026-11-01": Outcome(100, 10), "2026-11-02": Outcome(100, 20), "2026-11-04": Outcome(100, 10)}
    rates = {day: a_rate(outcome) for day, outcome in days.items()}

    paths = day_chart(rates, date(2026, 11, 1), date(2026, 11, 4), 0.5)

    assert paths.rates == "M12.50 80.00L37.50 60.00M87.50 80.00"
    assert paths.intervals.count("V") == 3


def test_rates_are_written_with_three_digits():
    assert [percent(share) for share in (None, 0.0, 0.0123, 0.1234, 1.0)] == [
        "none",
        "0.00%",
        "1.23%",
        "12.3%",
        "100.0%",
    ]


def a_rate(outcome):
    low, high = outcome.interval
    counted = {"impressions": outcome.impressions, "clicks": outcome.clicks, "dismissals": outcome.dismissals}
    return RateJson(**counted, rate=outcome.rate, low=low, high=high)


# --- the page --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service whose database has 300 users, of whom a third of the control arm was lost."""
    folder = tmp_path_factory.mktemp("analytics")
    database = f"sqlite:///{folder}/analytics.sqlite"
    store, experiment, noise = EventStore(database), Experiment(), random.Random(1)
    events, now = [], datetime.now(UTC)
    for number in range(900):
        user_id = f"user-{number % 300}"
        arm = experiment.arm(user_id)
        if arm == CONTROL and number % 300 < 150:
            continue
        at = now - timedelta(days=number % 14)
        given = {
            "list_id": f"l{number}",
            "item_id": "x",
            "user_id": user_id,
            "arm": arm,
            "country": COUNTRIES[number % 24],
        }
        events.append(kept(number, at=at, **given))
        if noise.random() < 0.1:
            events.append(kept(number, "click", at=at, **given))
    store.add(events)
    store.close()
    with recommending(folder, folder / "store", until_ready=False, CONTROL_SHARE="0.5") as served:
        yield served


COUNTRIES = (
    *("AT", "BE", "BR", "CH", "CZ", "DE", "DK", "ES", "FI", "FR", "GB", "GR"),
    *("HU", "IE", "IN", "IT", "JP", "NL", "NO", "PL", "PT", "RO", "SE", "US"),
)


def test_the_door_tells_what_the_page_shows(service):
    figures = requests.get(f"{service.address}/v1/analytics", timeout=10)

    assert figures.headers["Cache-Control"] == "no-store"
    assert len(figures.json()["by_country"]) == len(COUNTRIES)
    assert [ratio["is_off"] for ratio in figures.json()["sample_ratios"]] == [True]
    assert len(requests.get(f"{service.address}/v1/analytics?days=7", timeout=10).json()["by_day"]) == 7


@pytest.mark.parametrize("days", ["0", "-1", "367", "a", ""])
def test_days_that_cannot_be_are_refused(service, days):
    of_door = requests.get(f"{service.address}/v1/analytics?days={days}", timeout=10)
    of_page = requests.get(f"{service.address}/analytics?days={days}", timeout=10)

    assert_problem(of_door)
    assert of_door.status_code == of_page.status_code == 400
    assert "from 1 to 366" in of_page.text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_readable_by_everybody(service, visit, look, scheme):
    page = visit("/analytics", color_scheme=scheme, java_script_enabled=True)

    look(page, f"analytics-{scheme}")

    assert_accessible(page)
    rows = page.get_by_role("table", name="By arm").get_by_role("row")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text(re.compile(r"collaborative|control"))
    expect(page.get_by_role("table", name="By country").get_by_role("row")).to_have_count(21)
    expect(page.get_by_text("The 20 with the most impressions, of 24")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Clicks per impression on each day"))).to_be_visible()


def test_the_page_warns_where_the_arms_cannot_be_compared(service, visit):
    page = visit("/analytics", java_script_enabled=False)

    expect(page.get_by_role("alert")).to_contain_text("The arms of collaborative-lists cannot be compared.")


def test_the_page_fits_a_telephone_and_goes_back_further(service, visit):
    page = visit("/analytics", viewport={"width": 360, "height": 700})

    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("link", name="7 days").click()
    page.get_by_text("The days in numbers").click()
    expect(page.get_by_role("table", name="By day").get_by_role("row")).to_have_count(8)


def test_the_page_lets_nothing_in_from_elsewhere(service):
    response = requests.get(f"{service.address}/analytics", timeout=10)

    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in re.sub(r"https?://www\.w3\.org", "", response.text)


def test_without_a_database_page_and_door_say_so(tmp_path):
    (tmp_path / "file").touch()
    client = in_this_process(tmp_path / "file")

    page, door = client.get("/analytics"), client.get("/v1/analytics")

    assert (page.status_code, door.status_code, door.json["code"]) == (503, 503, "not_ready")
    assert "Try again later" in page.text


# --- back as logs ----------------------------------------------------------------------------------------------------


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_events_become_logs_by_day_and_the_day_that_runs_is_left_out(store, tmp_path, monkeypatch, capsys):
    at = datetime(2026, 3, 1, 23, 59, 59, 999_000, UTC)
    store.add([
        kept(2, "click", at, country="UK"),
        kept(1, at=at - timedelta(seconds=5)),
        kept(3, at=at, user_id=""),
        kept(4, "dismiss", at + timedelta(seconds=1), country=""),
        kept(5, at=datetime.now(UTC)),
    ])  # fmt: skip
    monkeypatch.setenv("ANALYTICS_DATABASE", url_of(store))
    logs = tmp_path / "logs"

    codes = [main([str(logs)]), main([str(logs)])]

    assert codes == [0, 0]
    assert "3 events of 2 days" in capsys.readouterr().err
    files = sorted(str(path.relative_to(logs)) for path in logs.rglob("*") if path.is_file())
    assert files == [f"day=2026-03-0{day}/part-responses.jsonl" for day in (1, 2)]
    assert lines(logs / files[0]) == [
        {
            "time": "2026-03-01T23:59:54Z",
            "event_id": "impression-1",
            "user_id": "user-1",
            "country": "DE",
            "event": "impression",
            "item_id": "item-1",
            "query": None,
        },
        {
            "time": "2026-03-01T23:59:59Z",
            "event_id": "click-2",
            "user_id": "user-2",
            "country": "UK",
            "event": "click",
            "item_id": "item-2",
            "query": None,
        },
    ]
    assert [(line["event"], line["country"]) for line in lines(logs / files[1])] == [("dismiss", None)]


def test_only_the_days_asked_for_are_exported(store, tmp_path, monkeypatch):
    store.add([kept(day, at=datetime(2026, 3, day, 12, 0, tzinfo=UTC)) for day in range(1, 6)])
    monkeypatch.setenv("ANALYTICS_DATABASE", url_of(store))

    main([str(tmp_path / "logs"), "--since", "2026-03-02", "--until", "2026-03-03"])

    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["day=2026-03-02", "day=2026-03-03"]


def test_an_export_that_cannot_be_is_told_in_a_sentence(store, tmp_path, monkeypatch, capsys):
    store.add([kept(1, at=datetime(2026, 3, 1, tzinfo=UTC))])
    monkeypatch.setenv("ANALYTICS_DATABASE", url_of(store))
    (tmp_path / "file").touch()

    assert main([str(tmp_path / "file")]) == 2
    assert "cannot be written to" in capsys.readouterr().err
