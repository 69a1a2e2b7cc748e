"""Which pictures go together into the model: plain queues in place of Celery's, everything else real."""

import time
from collections import deque
from threading import Timer

import pytest

from step3_microservices.contract import INTERACTIVE, JOBS, Work
from step3_microservices.worker.batching import Batcher, Limits


class Taken:
    def __init__(self, queue):
        self.queue, self.delivery_tag, self.payload, self.headers = queue, "tag", None, {}

    def reject(self, *, requeue=False):
        pass


@pytest.fixture
def queues():
    return {INTERACTIVE: deque(), JOBS: deque()}


@pytest.fixture
def batcher(queues):
    def make(max_batch_size=4, max_wait_ms=0, job_share=0.25):
        def get(name, count):
            return [queues[name].popleft() for _ in range(min(count, len(queues[name])))]

        return Batcher(get, Limits(max_batch_size, max_wait_ms, job_share))

    return make


def work(*, is_job=False):
    return Work("digest", "version", False, 0, 0, "", "job" if is_job else "")


def wait(queues, interactive=0, jobs=0):
    queues[INTERACTIVE].extend(Taken(INTERACTIVE) for _ in range(interactive))
    queues[JOBS].extend(Taken(JOBS) for _ in range(jobs))


def names(messages):
    return [message.queue for message in messages]


def test_one_alone_waits_for_nobody(batcher):
    started = time.monotonic()

    taken = batcher(max_wait_ms=60_000).fill(work(), is_alone=False)

    assert taken == []
    assert time.monotonic() - started < 30


def test_whatever_waits_goes_along_up_to_the_largest_batch(batcher, queues):
    wait(queues, interactive=9)

    taken = batcher(max_batch_size=4).fill(work(), is_alone=False)

    assert names(taken) == [INTERACTIVE] * 3
    assert len(queues[INTERACTIVE]) == 6


def test_a_batch_that_has_begun_to_fill_waits_a_moment_for_more(batcher, queues):
    wait(queues, interactive=1)
    Timer(0.05, wait, [queues], {"interactive": 1}).start()

    taken = batcher(max_batch_size=3, max_wait_ms=5000).fill(work(), is_alone=False)

    assert names(taken) == [INTERACTIVE] * 2


def test_interactive_pictures_go_first_and_jobs_fill_what_is_left(batcher, queues):
    wait(queues, interactive=1, jobs=5)

    taken = batcher(max_batch_size=4, job_share=0).fill(work(), is_alone=False)

    assert names(taken) == [INTERACTIVE, JOBS, JOBS]


def test_jobs_alone_get_everything(batcher, queues):
    wait(queues, jobs=5)

    taken = batcher(max_batch_size=4).fill(work(is_job=True), is_alone=False)

    assert names(taken) == [JOBS] * 3


@pytest.mark.parametrize("max_batch_size", [1, 2, 4, 8])
@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_under_lasting_load_jobs_get_the_share_that_is_theirs(batcher, queues, max_batch_size, share):
    make = batcher(max_batch_size=max_batch_size, job_share=share)
    counts = {INTERACTIVE: 0, JOBS: 0}

    for _ in range(200):
        wait(queues, interactive=max_batch_size + 1, jobs=max_batch_size + 1)
        queues[INTERACTIVE].popleft()
        counts[INTERACTIVE] += 1  # the one that Celery has delivered
        for name in names(make.fill(work(), is_alone=False)):
            counts[name] += 1

    assert counts[JOBS] / sum(counts.values()) == pytest.approx(share, abs=0.03)
