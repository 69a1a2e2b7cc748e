"""A canary is decided by figures: the rules, the figures, then the flow in a cluster."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from step5_orchestration.deploy.errors import NothingToGoBackToError
from step5_orchestration.deploy.gke.canary import CanaryRefusedError, Trial, try_canary
from step5_orchestration.deploy.gke.canary_figures import Figures, Prometheus, PrometheusError
from step5_orchestration.deploy.gke.canary_judge import Impression, Judge, Limits, Verdict, impression_of
from step5_orchestration.deploy.gke.manifests import NAMESPACE, Overlay, Rendered, as_text
from tests.app.step5.kubernetes_world import PARTS, World, a_world, image, served
from tests.app.step5.promtool import check, series

STABLE = Figures(1000, 0.001, 0.2)
GOOD, SLOW, FAILING = Figures(200, 0.001, 0.2), Figures(200, 0.001, 0.5), Figures(200, 0.05, 0.2)
A_LITTLE_SLOWER, ALONE = Figures(200, 0.001, 0.31), Figures(20, 0.5, 9.0)


@pytest.mark.parametrize(
    ("canary", "impression"),
    [
        (GOOD, Impression.GOOD),
        (SLOW, Impression.BAD),
        (FAILING, Impression.BAD),
        (A_LITTLE_SLOWER, Impression.BETWEEN),
        (ALONE, Impression.TOO_FEW),
    ],
)
def test_a_canary_is_held_against_those_beside_it(canary: Figures, impression: Impression):
    assert impression_of(canary, STABLE, Limits()) is impression


def looks(*figures: Figures) -> list[Verdict]:
    judge = Judge(Limits(most_looks=6))
    return [judge.look(canary, STABLE)[1] for canary in figures]


def test_several_good_looks_in_a_row_are_needed_to_go_on():
    assert looks(GOOD, GOOD, GOOD)[1:] == [Verdict.LOOK_AGAIN, Verdict.GO_ON]
    assert looks(GOOD, GOOD, A_LITTLE_SLOWER, GOOD, GOOD)[-1] is Verdict.LOOK_AGAIN


def test_one_bad_look_is_chance_and_two_are_not():
    assert looks(SLOW, GOOD, FAILING)[-1] is Verdict.LOOK_AGAIN
    assert looks(SLOW, FAILING)[-1] is Verdict.GO_BACK


def test_without_enough_requests_nothing_is_decided_until_patience_ends():
    assert looks(*[ALONE] * 6) == [Verdict.LOOK_AGAIN] * 5 + [Verdict.GO_BACK]


@pytest.fixture(scope="module")
def queries() -> list[str]:
    """What is asked of Prometheus: requests, errors, the slowest hundredth."""
    asked: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> dict[str, object]:
        asked.extend(parse_qs(urlsplit(request.path).query)["query"])
        return {"data": {"result": []}}

    with served(answer) as address:
        Prometheus(f"http://{address}", NAMESPACE).figures("canary", window_s=120)
    return asked


@pytest.mark.parametrize(("number", "value"), [(0, 88), (1, 8), (2, 0.75)])
def test_requests_of_the_canary_are_counted_and_neither_probes_nor_others(
    queries: list[str], number: int, value: float, tmp_path: Path
):
    counted = [
        series("http_requests_total", "0+10x20", track="canary", endpoint="classify", status="200"),
        series("http_requests_total", "0+1x20", track="canary", endpoint="classify", status="503"),
        series("http_requests_total", "0+50x20", track="canary", endpoint="readyz", status="503"),
        series("http_requests_total", "0+99x20", track="stable", endpoint="classify", status="500"),
    ]
    lasted = [
        series("http_request_duration_seconds_bucket", f"0+{count}x20", track="canary", endpoint="classify", le=le)
        for le, count in (("0.5", 98), ("1", 100), ("+Inf", 100))
    ]

    check(f"round({queries[number]}, 0.0625)", counted + lasted, value, tmp_path)  # a part that floats hold exactly


@pytest.fixture(scope="module")
def one_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("kubernetes")) as world:
        overlay = Overlay("gke", world.place)
        kubectl = world.target.kubectl
        kubectl.apply(as_text(overlay.render({name: image(name, "a") for name in PARTS}, kubectl).manifests))
        world.applied = dict(world.cluster.objects)
        yield world


@pytest.fixture
def world(one_world: World) -> World:
    one_world.begin(one_world.applied)
    return one_world


@pytest.fixture(scope="module")
def rendered(one_world: World) -> Rendered:
    """The manifests of the push b, with a canary."""
    images = {name: image(name, "b") for name in PARTS}
    images |= {f"{name}-canary": image(name, "b") for name in ("frontend", "gateway")}
    return Overlay("gke", one_world.place, ("canary",)).render(images, one_world.target.kubectl)


def trial(world: World) -> Trial:
    return Trial(Prometheus(world.prometheus, NAMESPACE), weights=(5, 50))


def test_a_good_canary_gets_more_and_more_and_is_then_removed(world: World, rendered: Rendered):
    shares: list[dict[str, int]] = []
    world.clock.meanwhile = lambda: shares.append(world.weights)

    try_canary(rendered, world.target, trial(world), timeout_s=120)

    assert shares[0] == {"frontend": 100, "frontend-canary": 0}, "the load balancer has to find it healthy first"
    assert shares[1:4] == [{"frontend": 95, "frontend-canary": 5}] * 3
    assert shares[4:7] == [{"frontend": 50, "frontend-canary": 50}] * 3
    assert world.weights == {"frontend": 1}
    assert [name for name in world.names("deployments") if "canary" in name] == []


def test_what_serves_is_not_touched_while_a_canary_runs(world: World, rendered: Rendered):
    images: set[tuple[str, str]] = set()
    world.clock.meanwhile = lambda: images.add((world.running("gateway"), world.running("gateway-canary")))

    try_canary(rendered, world.target, trial(world), timeout_s=120)

    assert images == {(image("gateway", "a"), image("gateway", "b"))}


def test_a_canary_that_fails_more_often_gets_nothing_more_and_is_removed(world: World, rendered: Rendered):
    world.figures["canary"] = (200, 20, 0.2)

    with pytest.raises(CanaryRefusedError, match=r"200 requests, 10.00% errors"):
        try_canary(rendered, world.target, trial(world), timeout_s=120)

    assert world.weights == {"frontend": 1}
    assert world.running("gateway") == image("gateway", "a")
    assert [name for name in world.names("deployments") if "canary" in name] == []


def test_a_canary_goes_back_when_its_figures_cannot_be_had_any_more(world: World, rendered: Rendered):
    lost = Trial(Prometheus("http://127.0.0.1:1", NAMESPACE))

    with pytest.raises(PrometheusError, match="gives no figures"):
        try_canary(rendered, world.target, lost, timeout_s=120)

    assert world.weights == {"frontend": 1}


def test_there_has_to_be_something_that_a_canary_stands_beside(world: World, rendered: Rendered):
    world.begin({})

    with pytest.raises(NothingToGoBackToError, match="Nothing is deployed"):
        try_canary(rendered, world.target, trial(world), timeout_s=120)
