"""What the system tells of itself: queues, jobs, workers, answers and drift, and the alerts that rest on them."""

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest
import requests
import yaml
from PIL import Image

from step3_microservices.drift import Drift
from tests.app.http_contract import CAT, COFFEE, counted, cut_short
from tests.app.serving import free_port, wait_until
from tests.app.step3.system import GATEWAY, System, has_redis, nobody_working, running, serving
from tests.conftest import ROOT

PROMQL = {"max", "sum", "rate", "absent", "by", "or", "and", "of", "job"}

pytestmark = pytest.mark.skipif(not has_redis(), reason="there is no Redis")


@pytest.fixture(scope="module")
def worker_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def system(worker_port, tmp_path_factory) -> Iterator[System]:
    settings = {"RUNTIME": "tensorflow", "WEB_PROCESSES": "2", "METRICS_PORT": str(worker_port)}
    with running(tmp_path_factory.mktemp("figures"), **settings, DRIFT_MIN_PICTURES="4") as system:
        yield system


def classify(system: System, body: bytes = CAT) -> requests.Response:
    return requests.post(f"{system.address}/v1/classify", data=body, timeout=30)


def noise(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def settled(
    address: str, name: str, *labels: str, at_least: float, within_s: float = 60
) -> dict[tuple[str, ...], float]:
    """The figures of one scrape, so of one web process: the other keeps those of drift for some seconds more."""
    deadline = time.monotonic() + within_s
    while (figures := counted(address)).get((name, *labels), 0) < at_least:
        assert time.monotonic() < deadline, f"{name} is {figures.get((name, *labels))}"
        time.sleep(0.2)
    return figures


def test_answers_are_counted_by_label_and_confidence_whoever_answers(system):
    before = counted(system.address)

    best = [classify(system).json()["predictions"][0] for _ in range(6)]
    after = counted(system.address)

    label = ("classifier_best_label_total", f"class_index={best[0]['class_index']}", f"label={best[0]['label']}")
    assert after[label] - before.get(label, 0) == 6
    confidence = ("classifier_confidence_count",)
    assert after[confidence] - before.get(confidence, 0) == 6
    probabilities = after["classifier_confidence_sum",] - before.get(("classifier_confidence_sum",), 0)
    assert probabilities == pytest.approx(sum(one["probability"] for one in best), abs=1e-4)


def test_golden_pictures_are_nobodys_and_not_counted(system):
    before = counted(system.address)

    time.sleep(1.1)
    assert all(requests.get(f"{system.address}/readyz", timeout=30).ok for _ in range(4))
    after = counted(system.address)

    for name in ("classifier_confidence_count", "classifier_images_total"):
        its = [{key: value for key, value in figures.items() if key[0] == name} for figures in (before, after)]
        assert its[0] == its[1]


def test_it_is_counted_whether_an_answer_was_known(system):
    before = counted(system.address)

    for body in (noise(1), noise(1), noise(2)):
        classify(system, body)
    after = counted(system.address)

    for found, count in (("yes", 1), ("no", 2)):
        sample = ("classifier_recalls_total", f"found={found}")
        assert after[sample] - before.get(sample, 0) == count


def test_refusals_are_counted_by_their_code(system):
    before = counted(system.address)

    classify(system, cut_short())
    requests.post(f"{system.address}/v1/classify", timeout=30)
    after = counted(system.address)

    for code in ("image_truncated", "image_missing"):
        sample = ("http_problems_total", f"code={code}")
        assert after[sample] - before.get(sample, 0) == 1


def test_workers_and_their_model_are_told(system):
    figures = counted(system.address)

    assert figures["classifier_workers",] == 1
    assert figures["redis_up",] == 1
    version = requests.get(f"{system.address}/readyz", timeout=30).json()["model_version"]
    assert figures["classifier_model_info", f"model_version={version}"] == 1
    names = [sample[0] for sample in figures]
    assert names.count("classifier_workers") == 1, "once, however many web processes there are"


def test_a_queue_tells_its_length_and_the_age_of_its_oldest_picture(system, worker_port):
    began = time.time()
    with nobody_working(system):
        jobs = [
            requests.post(f"{system.address}/v1/jobs", data=noise(10 + number), timeout=30).json()["job_id"]
            for number in range(4)
        ]
        time.sleep(1)
        figures = counted(system.address)
        waited_s = time.time() - began

    assert 3 <= figures["classifier_queue_length", "queue=jobs"] <= 4, "a suspended worker may hold one"
    assert 1 <= figures["classifier_queue_age_seconds", "queue=jobs"] < waited_s
    assert figures["classifier_queue_length", "queue=interactive"] == 0
    assert figures["classifier_queue_age_seconds", "queue=interactive"] == 0
    settled(system.address, "classifier_jobs_total", "status=done", at_least=len(jobs))
    # The worker counts what it has answered, and so a moment later.
    worker_figures = settled(f"http://127.0.0.1:{worker_port}", "classifier_confidence_count", at_least=len(jobs))
    assert worker_figures["classifier_confidence_count",] == len(jobs), "what the gateway has not answered itself"
    assert worker_figures["worker_queue_duration_seconds_count", "queue=jobs"] == len(jobs)


def test_drift_is_told_once_a_reference_was_taken_and_alerts_rest_on_figures_that_are_there(system, worker_port):
    for seed in range(20, 26):
        version = classify(system, noise(seed)).json()["model_version"]
    addresses = (system.address, f"http://127.0.0.1:{worker_port}")
    answers = sum(counted(address)["classifier_confidence_count",] for address in addresses)
    drift = Drift(system.redis.client, window_h=24, min_pictures=4)
    wait_until(lambda: drift.figures(version).window_pictures == answers)  # every few seconds they are flushed
    environment = os.environ | {"REDIS_URL": system.redis.url, "DRIFT_MIN_PICTURES": "4"}
    command = [sys.executable, "-m", "step3_microservices.gateway.drift_reference"]

    taken = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    too_few = environment | {"DRIFT_MIN_PICTURES": "100000"}
    refused = subprocess.run(command, cwd=ROOT, env=too_few, capture_output=True, text=True, check=False)

    assert (taken.returncode, refused.returncode) == (0, 2), taken.stderr + refused.stderr
    assert "are its reference now" in taken.stderr
    assert "a reference needs 100000" in refused.stderr
    figures = settled(system.address, "classifier_drift_pictures", "of=reference", at_least=6)
    assert 0 <= figures["classifier_drift_psi", "of=labels"] < 0.25
    assert 0 <= figures["classifier_drift_psi", "of=confidence"] < 0.25
    exported = {name for name, *_ in figures} | {name for name, *_ in counted(f"http://127.0.0.1:{worker_port}")}
    assert sorted(named_by_alerts() - exported) == []


def named_by_alerts() -> set[str]:
    rules = yaml.safe_load((ROOT / "step3_microservices" / "alerts.yml").read_text())
    found: set[str] = set()
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert {"alert", "expr", "for", "labels", "annotations"} == set(rule)
            assert re.fullmatch(r"\d+[smh]", rule["for"])
            found |= {*re.findall(r"\b[a-z_]+\b", re.sub(r"\{.*?\}|\[.*?\]", "", rule["expr"]))} - PROMQL
    assert {"classifier_drift_psi", "classifier_workers", "http_requests_total"} <= found
    return found


def test_without_redis_the_figures_of_the_process_are_still_told(tmp_path):
    nowhere = f"redis://127.0.0.1:{free_port()}/0"

    with serving(GATEWAY, tmp_path, until_ready=False, REDIS_URL=nowhere) as gateway:
        refused = requests.post(f"{gateway.address}/v1/classify", data=COFFEE, timeout=30)
        figures = counted(gateway.address)

    assert refused.status_code == 503
    assert figures["redis_up",] == 0
    assert figures["http_problems_total", "code=not_ready"] == 1
    assert not any(name == "classifier_queue_length" for name, *_ in figures)
