"""The Pods of the local overlay really start, with what they are allowed and nothing more."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from step5_orchestration.deploy.gke.cost import quantity
from step5_orchestration.deploy.gke.manifests import containers, pod_of
from step5_orchestration.deploy.smoke_test import CAT, smoke_test
from tests.app.http_contract import counted
from tests.app.serving import READY_WITHIN_S, STOPPED_WITHIN_S, wait_until
from tests.app.step5.kubernetes_play import POD, TOGETHER, Podman, played
from tests.app.step5.kubernetes_rendered import named


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Podman, str]]:
    with played(tmp_path_factory.mktemp("play")) as (podman, address):
        try:
            smoke_test(address, timeout_s=READY_WITHIN_S)
        except Exception as error:
            logs = [podman.run("logs", f"{POD}-{name}", check=False) for name in TOGETHER]
            raise AssertionError("\n".join(log.stdout + log.stderr for log in logs)) from error
        yield podman, address


def test_they_answer_the_golden_picture_under_their_limits_and_rights(play: tuple[Podman, str]):
    podman, _ = play

    for name in TOGETHER:
        workload = named("local", "StatefulSet" if name == "redis" else "Deployment", name)
        (wanted,) = containers(workload)
        found = podman.state(name)
        user, group = (pod_of(workload)["securityContext"][key] for key in ("runAsUser", "runAsGroup"))

        assert found["State"]["Running"], name
        assert found["HostConfig"]["ReadonlyRootfs"] is True
        assert found["HostConfig"]["Memory"] == quantity(wanted["resources"]["limits"]["memory"])
        assert found["Config"]["User"] == f"{user}:{group}"
        assert found["EffectiveCaps"] in (None, [])
        assert "no-new-privileges" in " ".join(found["HostConfig"]["SecurityOpt"])


def test_the_kernel_agrees_about_their_rights(play: tuple[Podman, str]):
    podman, _ = play

    for name in TOGETHER:
        status = Path(f"/proc/{podman.state(name)['State']['Pid']}/status").read_text()
        facts = dict(line.split(":\t", 1) for line in status.splitlines())

        assert facts["CapEff"] == facts["CapBnd"] == "0000000000000000", name
        assert facts["NoNewPrivs"] == "1"
        assert facts["Seccomp"] == "2"
        assert "0" not in facts["Uid"].split()


def test_what_is_in_work_is_answered_after_sigterm_and_then_the_gateway_ends(play: tuple[Podman, str]):
    podman, address = play
    picture = CAT.read_bytes()

    with closing(HTTPConnection(address.removeprefix("http://"), timeout=60)) as asking:
        asking.putrequest("POST", "/v1/classify")
        asking.putheader("Content-Type", "application/octet-stream")
        asking.putheader("Content-Length", str(len(picture)))
        asking.endheaders(picture[:1000])
        wait_until(lambda: counted(address)["http_requests_in_progress",] >= 2)  # it, and the one that asks
        podman.run("kill", "--signal", "TERM", f"{POD}-gateway")
        asking.send(picture[1000:])
        status = asking.getresponse().status
    code = podman.run("wait", f"{POD}-gateway", timeout_s=2 * STOPPED_WITHIN_S).stdout.strip()

    assert status == 200
    assert code == "0"


@pytest.mark.parametrize("name", ["worker", "recommender", "redis"])
def test_sigterm_ends_every_other_one_too_in_good_order(play: tuple[Podman, str], name: str):
    podman, _ = play

    podman.run("kill", "--signal", str(signal.SIGTERM.value), f"{POD}-{name}")
    try:
        code = podman.run("wait", f"{POD}-{name}", timeout_s=STOPPED_WITHIN_S).stdout.strip()
    except subprocess.TimeoutExpired:
        pytest.fail(f"{name} does not hear SIGTERM")

    assert code == "0"
