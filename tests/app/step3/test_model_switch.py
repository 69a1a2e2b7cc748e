"""Another version of the model, while people ask: loaded beside the old one, checked, switched to; and back."""

import json
import os
import shutil
import time
from functools import partial
from pathlib import Path

import pytest
import requests

from step3_microservices.presence import workers
from step3_microservices.worker.artifacts import point
from step3_microservices.worker.manifest import parse_manifest, version_of
from tests.app.http_contract import CAT, CATS, labels
from tests.app.serving import wait_until
from tests.app.step3.load import classify_once, clients
from tests.app.step3.system import running

MODEL = "efficientnet_lite0"


def without_int8(folder: Path) -> str:
    """Make a second version beside the first: the same model without its int8 form. Return its name."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {name: digest for name, digest in manifest["files"].items() if not name.startswith("int8")}
    for name in ("int8", "bfloat16"):
        manifest["precisions"][name] |= {"accepted": False, "reason": "refused for a test"}
    manifest["version"] = version = version_of(manifest["files"])
    other = folder.with_name(version)
    shutil.copytree(folder, other, ignore=shutil.ignore_patterns("int8.*"))
    (other / "manifest.json").write_text(json.dumps(manifest))
    return version


@pytest.fixture
def source(artifacts, tmp_path):
    """A copy of the exported model, with a second version that the pointer does not name."""
    shutil.copytree(artifacts, tmp_path / "source")
    first = (tmp_path / "source" / MODEL / "current").read_text().strip()
    second = without_int8(tmp_path / "source" / MODEL / first)
    return tmp_path / "source", first, second


def served(address):
    return requests.get(f"{address}/readyz", timeout=10).json().get("model_version", "")


def wait_for(address, version):
    wait_until(lambda: served(address) == version)


def told_of(system, version):
    """Return what the worker has logged of a version, as lines."""
    return "\n".join(line for line in system.worker_log.read_text().splitlines() if version in line)


def test_a_version_is_switched_to_and_back_without_a_failed_request(source, tmp_path):
    folder, first, second = source
    manifest = parse_manifest((folder / MODEL / first / "manifest.json").read_text(), "it")
    settings = {"ARTIFACTS": str(folder), "RELOAD_INTERVAL_S": "0.5", "PRECISION": "auto"}
    with running(tmp_path, **settings) as system:
        before = served(system.address)
        with clients(4, partial(classify_once, system.address)) as outcomes:
            time.sleep(1)
            point(str(folder), MODEL, second)
            wait_for(system.address, before.replace(before.split("/")[2], "openvino-float32"))
            time.sleep(1)
            point(str(folder), MODEL, first)
            wait_for(system.address, before)
            time.sleep(0.5)

    assert manifest.precisions["int8"].accepted or manifest.precisions["bfloat16"].accepted
    assert outcomes.errors == []
    assert set(outcomes.statuses) == {200}


def test_a_damaged_version_is_not_switched_to_and_is_told(source, tmp_path):
    folder, _, second = source
    with running(tmp_path, ARTIFACTS=str(folder), RELOAD_INTERVAL_S="0.3") as system:
        before = served(system.address)
        weights = folder / MODEL / second / "float32.bin"
        weights.write_bytes(weights.read_bytes()[:-1000] + bytes(1000))
        point(str(folder), MODEL, second)
        wait_until(lambda: '"level": "error"' in told_of(system, second))
        time.sleep(1)  # it is looked at again
        answer = requests.post(f"{system.address}/v1/classify", data=CAT, timeout=30)
        told = [json.loads(line) for line in told_of(system, second).splitlines()]

    assert answer.json()["model_version"] == before
    assert labels(answer.json())[0] in CATS
    assert [line["code"] for line in told if line["level"] == "error"] == ["artifact_invalid"]


def test_a_worker_whose_next_model_takes_its_time_is_there_all_the_while(source, tmp_path):
    """The pointer is a pipe, and so is read for as long as nobody writes into it: a file system that hangs."""
    folder, first, _ = source
    pointer = folder / MODEL / "current"
    with running(tmp_path, ARTIFACTS=str(folder), RELOAD_INTERVAL_S="0.3") as system:
        pointer.unlink()
        os.mkfifo(pointer)
        with pointer.open("w") as held:  # which waits until somebody reads
            system.redis.client.delete("workers")
            wait_until(lambda: workers(system.redis.client))
            answer = requests.post(f"{system.address}/v1/classify", data=CAT, timeout=30)
            pointer.unlink()
            pointer.write_text(first)
            held.write(first)

    assert labels(answer.json())[0] in CATS
