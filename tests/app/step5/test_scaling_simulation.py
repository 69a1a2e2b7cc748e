"""The simulation of scaling, held against what queueing theory and Kubernetes's rules say without it."""

from itertools import pairwise
from math import factorial

import numpy as np
import pytest

from tests.benchmarks.scaling.arrivals import TRACES
from tests.benchmarks.scaling.autoscaler import Autoscaler, Sample, Settings, by_pictures, read_settings
from tests.benchmarks.scaling.calls import arrivals, exponential, load, seen_of_each
from tests.benchmarks.scaling.simulation import Fleet
from tests.benchmarks.scaling.worker import ALONE_PER_S, BUSY_PER_S, MAX_BATCH_SIZE, call_s

FOREVER = float("inf")


def erlang_c(workers: int, offered: float) -> float:
    """Return how likely an arrival has to wait, if both gaps and durations are exponential."""
    busy = offered**workers / factorial(workers) * workers / (workers - offered)
    return busy / (sum(offered**n / factorial(n) for n in range(workers)) + busy)


@pytest.fixture
def settings() -> Settings:
    return read_settings()


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_as_many_wait_as_erlang_says(workers: int):
    per_s, offered = 10.0, 0.8 * workers

    seen = load(arrivals(per_s * offered, 60_000, seed=3), workers, exponential(1 / per_s, seed=4), max_batch_size=1)

    assert seen.waiting == pytest.approx(erlang_c(workers, offered) * offered / (workers - offered), rel=0.1)
    assert seen.busy == pytest.approx(offered, rel=0.02)


def test_half_as_many_wait_where_every_call_takes_as_long_as_pollaczek_and_khinchine_say():
    load_of_one = 0.8

    seen = load(arrivals(load_of_one * 10, 60_000, seed=5), 1, lambda _: 0.1, max_batch_size=1)

    assert seen.waiting == pytest.approx(load_of_one**2 / (2 * (1 - load_of_one)), rel=0.1)


def test_a_worker_does_what_was_measured_with_one_client_and_with_many():
    assert 1 / call_s(1) == pytest.approx(ALONE_PER_S)
    assert MAX_BATCH_SIZE / call_s(MAX_BATCH_SIZE) == pytest.approx(BUSY_PER_S)


def test_what_is_in_work_hardly_tells_the_load_until_there_is_no_room_left():
    half, most, all_of_it = (seen_of_each(BUSY_PER_S * part).in_work for part in (0.5, 0.8, 0.99))

    assert half < 1
    assert most < 1.5
    assert all_of_it > 3


def test_who_waits_is_how_many_come_times_how_long_they_wait():
    step_s = 0.1
    trace = np.random.default_rng(7).poisson(95 * step_s, 20_000)

    run = Fleet(2, max_queued=FOREVER).serve(trace, step_s)

    # Little's law. The age is that of the last one served in a step, so that it is weighted by how many were.
    wait_s = np.average(run.age_s, weights=run.served)
    assert run.waiting.mean() == pytest.approx(run.served.mean() / step_s * wait_s, rel=0.05)


def test_over_capacity_a_queue_without_bound_grows_by_what_is_too_much():
    asked = np.full(600, 150)

    run = Fleet(2, per_s=49, max_queued=FOREVER).serve(asked, step_s=1)

    assert run.waiting[-1] == 600 * (150 - 98)
    assert run.age_s[-1] == pytest.approx(600 * (1 - 98 / 150), rel=0.01)


def test_over_capacity_a_bounded_queue_refuses_what_is_too_much_and_nobody_waits_longer_than_the_queue_is():
    asked = np.full(600, 150)

    run = Fleet(2, per_s=49, max_queued=32).serve(asked, step_s=1)

    assert run.refused_share == pytest.approx(1 - 98 / 150, rel=0.01)
    assert run.age_s.max() <= 32 / 98 + 1e-9


def test_below_capacity_nobody_is_refused_and_everything_that_came_is_served():
    asked = np.full(600, 80)

    run = Fleet(2, per_s=49).serve(asked, step_s=1)

    assert run.refused.sum() == 0
    assert run.served.sum() == asked.sum()


def test_a_worker_that_is_asked_for_serves_only_once_it_is_ready(settings: Settings):
    asked = np.full(120, 400)

    run = Fleet(2, start_s=60).serve(asked, 1, Autoscaler(settings, by_pictures(1)))

    first_asked_for = int(np.flatnonzero(run.workers > 2)[0])
    first_served_by_more = int(np.flatnonzero(run.served > 2 * BUSY_PER_S)[0])
    assert first_served_by_more - first_asked_for == pytest.approx(60, abs=1)


def test_the_same_seed_gives_the_same_pictures_and_another_one_others():
    first, again, other = (TRACES["burst"].arrivals(1, seed) for seed in (1, 1, 2))

    assert (first == again).all()
    assert (first != other).any()


def decisions(settings: Settings, workers: int, pictures: list[float]) -> list[int]:
    """Return how many workers there are after each of these figures, fifteen seconds apart."""
    autoscaler = Autoscaler(settings, by_pictures(1))
    counts = []
    for number, waiting in enumerate(pictures):
        workers = autoscaler.decide(number * 15, workers, Sample(waiting, 0, 0))
        counts.append(workers)
    return counts


def test_the_fleet_doubles_at_most_and_ends_at_the_most_that_is_allowed(settings: Settings):
    assert decisions(settings, 2, [1000] * 5) == [4, 8, 16, 20, 20]


def test_a_difference_of_a_tenth_changes_nothing(settings: Settings):
    assert decisions(settings, 10, [10.9, 9.1, 10.9]) == [10, 10, 10]


def test_a_calm_of_less_than_five_minutes_takes_nobody_away(settings: Settings):
    calm = 5 * 60 // 15 - 1

    assert decisions(settings, 10, [10] + [2] * calm) == [10] * (calm + 1)


def test_a_longer_calm_takes_a_quarter_a_minute_and_leaves_the_least(settings: Settings):
    counts = decisions(settings, 10, [10] + [0] * 80)

    left = [now for before, now in pairwise(counts) if now != before]
    assert left[0] == 7
    assert left[-1] == settings.least
