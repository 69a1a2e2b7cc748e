"""Drift: what is found in pictures now held against what was found before, with a real Redis and the tests' clock."""

import random
from collections.abc import Iterator

import pytest
from redis import Redis

from step3_microservices.drift import Drift, DriftBuffer, DriftFigures, stability_index
from tests.app.step3.system import RedisServer, redis_server

MODEL, HOUR_S = "model/0123/float32/crop", 3600


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(server) -> Redis:
    server.client.flushall()
    return server.client


class Service:
    """A model that answers, by a clock that stands where a test has put it."""

    def __init__(self, redis: Redis, **options: int) -> None:
        self.now = 1_000_000.0 * HOUR_S
        self.buffer = DriftBuffer(redis, now=lambda: self.now)
        self.drift = Drift(redis, **{"window_h": 24, "min_pictures": 500} | options, now=lambda: self.now)
        self.random = random.Random(7)

    def answer(self, count: int, labels: range, confidence: float = 0.9) -> None:
        for _ in range(count):
            probability = min(1.0, max(0.0, self.random.gauss(confidence, 0.1)))
            self.buffer.add(MODEL, self.random.choice(labels), probability)
        self.buffer.flush()

    def figures(self) -> DriftFigures:
        return self.drift.figures(MODEL)


@pytest.fixture
def service(redis) -> Service:
    return Service(redis)


def test_the_index_is_that_of_the_textbook():
    """Of shares 0.5, 0.3, 0.2 that become 0.3, 0.3, 0.4: 0.2 * ln(5/3) + 0.2 * ln 2."""
    index = stability_index({1: 500_000, 2: 300_000, 3: 200_000}, {1: 300_000, 2: 300_000, 3: 400_000})

    assert index == pytest.approx(0.2408, abs=1e-4)
    assert stability_index({1: 5, 2: 3}, {1: 500, 2: 300}) == pytest.approx(0, abs=0.01)
    assert stability_index({1: 1000}, {2: 1000}) > 5


def test_too_few_pictures_tell_nothing(service):
    service.answer(499, range(1000))

    assert service.figures() == DriftFigures(None, None, 499, 0)


def test_the_first_full_window_becomes_the_reference(service):
    service.answer(600, range(30))
    assert service.figures() == DriftFigures(None, None, 600, 0)

    service.now += 12 * HOUR_S
    service.answer(600, range(30))
    service.now += 12 * HOUR_S
    service.answer(600, range(30))

    figures = service.figures()
    assert figures.reference_pictures == figures.window_pictures == 1200, "of 24 hours, the first one is over"
    assert figures.labels == figures.confidence == 0


@pytest.mark.parametrize("labels", [range(1), range(2), range(30), range(1000)], ids=len)
def test_pictures_that_stay_as_they_are_do_not_drift(service, labels):
    service.answer(600, labels)
    service.drift.take_reference(MODEL, service.drift.window(MODEL))

    service.now += 30 * HOUR_S
    service.answer(600, labels)

    figures = service.figures()
    assert figures.labels < 0.2
    assert figures.confidence < 0.2


def test_other_pictures_drift_in_their_labels_and_harder_ones_in_confidence(service):
    service.answer(600, range(30))
    service.drift.take_reference(MODEL, service.drift.window(MODEL))

    service.now += 30 * HOUR_S
    service.answer(600, range(15, 45))
    others = service.figures()
    service.now += 30 * HOUR_S
    service.answer(600, range(30), confidence=0.6)
    harder = service.figures()

    assert others.labels > 0.25 > others.confidence
    assert harder.confidence > 0.25 > harder.labels


def test_answers_of_several_processes_are_counted_together(service, redis):
    other = Service(redis)
    service.answer(250, range(30))
    other.answer(250, range(30))

    assert service.figures().window_pictures == 500


def test_nothing_is_lost_and_no_answer_waits_while_redis_is_gone(tmp_path):
    with redis_server(tmp_path) as server:
        service = Service(server.client)
        server.stop()
        service.answer(100, range(30))
        server.start()
        service.answer(100, range(30))

        assert service.figures().window_pictures == 200


def test_every_key_has_a_time_to_live(service, redis):
    service.answer(600, range(30))
    service.drift.take_reference(MODEL, service.drift.window(MODEL))
    service.figures()

    keys = redis.keys("*")

    assert len(keys) == 3
    assert all(redis.ttl(key) > HOUR_S for key in keys)
