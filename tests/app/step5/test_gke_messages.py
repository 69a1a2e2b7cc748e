"""What goes wrong with kubectl and clusters is said in words, with what to do next; the real kubectl complains."""

import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shared.errors import ExpectedError
from step5_orchestration.deploy.__main__ import main
from step5_orchestration.deploy.gke.kubectl import Kubectl
from step5_orchestration.deploy.gke.kubectl_errors import KubectlError, explained
from step5_orchestration.deploy.gke.manifests import NAMESPACE
from tests.app.step5.kubernetes_world import World, a_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as world:
        yield world


def plan(world: World, *options: str) -> int:
    return main(["gke", "plan", "--images", str(world.pushed("a")), "--place", str(world.place), *options])


def said(capfd: pytest.CaptureFixture[str]) -> str:
    err = capfd.readouterr().err
    assert "Traceback" not in err
    return err


def test_without_kubectl_it_says_how_to_get_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert plan(world) == 2
    assert "gcloud components install kubectl" in said(capfd)


def test_without_a_cluster_it_says_how_to_name_one(world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    (tmp_path / "kubeconfig").write_text("apiVersion: v1\nkind: Config\n")

    assert plan(world) == 2
    assert "gcloud container clusters get-credentials" in said(capfd)


def test_an_unknown_context_is_named(world: World, capfd: pytest.CaptureFixture[str]):
    assert plan(world, "--context", "elsewhere") == 2

    message = said(capfd)
    assert "elsewhere" in message
    assert "gcloud container clusters get-credentials" in message


def test_a_cluster_that_does_not_answer_is_no_mystery(world: World, capfd: pytest.CaptureFixture[str]):
    world.server.shutdown()
    world.server.server_close()

    assert plan(world) == 2
    assert "gcloud container clusters list" in said(capfd)


def test_all_missing_extensions_are_named_at_once_with_the_commands_that_bring_them(
    world: World, capfd: pytest.CaptureFixture[str]
):
    world.cluster.missing_groups = {"keda.sh", "gateway.networking.k8s.io"}

    assert plan(world) == 2
    message = said(capfd)
    assert "helm install keda" in message
    assert "--gateway-api=standard" in message


@pytest.mark.parametrize(
    ("refusal", "remedy"),
    [
        ('User "me" cannot patch resource "deployments" in API group "apps"', "roles/container.developer"),
        ("exceeded quota: compute, requested: cpu=2, used: cpu=8, limited: cpu=8", "IAM & Admin, Quotas"),
    ],
)
def test_what_the_cluster_refuses_is_told_with_whom_to_ask(
    world: World, refusal: str, remedy: str, capfd: pytest.CaptureFixture[str]
):
    world.cluster.refusals = {"patch deployments": refusal}

    code = main(["gke", "apply", "--images", str(world.pushed("a")), "--place", str(world.place)])

    message = said(capfd)
    assert code == 2
    assert refusal in message
    assert remedy in message


def test_an_unknown_project_is_refused_before_anything_is_asked(world: World, capfd: pytest.CaptureFixture[str]):
    code = main(["gke", "plan", "--images", str(world.pushed("a"))])

    assert code == 2
    assert "example-bucket and example-project are no names of yours" in said(capfd)
    assert world.cluster.requests == []


def test_a_kubectl_that_hangs_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hanging = tmp_path / "kubectl"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(hanging.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    with pytest.raises(KubectlError, match="kubectl get gave no answer"):
        Kubectl(NAMESPACE, "fake", patience_s=0.1).get("namespaces")


def test_a_way_into_a_cluster_is_open_for_as_long_as_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    forwarding = tmp_path / "kubectl"
    forwarding.write_text(
        f"#!/bin/sh\necho $$ > {tmp_path}/pid\necho Forwarding from 127.0.0.1:4711 '->' 8080\nexec sleep 60\n"
    )
    forwarding.chmod(forwarding.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    with Kubectl(NAMESPACE, "fake").forwarded("frontend", 8080) as address:
        assert address == "http://127.0.0.1:4711"

    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_a_complaint_that_nobody_foresaw_is_passed_on():
    error = explained("apply", "warning: something\nerror: the moon is full\n")

    assert isinstance(error, ExpectedError)
    assert error.detail == "kubectl apply failed: error: the moon is full."


def test_a_canary_needs_figures(world: World, capfd: pytest.CaptureFixture[str]):
    code = main(["gke", "apply", "--images", str(world.pushed("a")), "--place", str(world.place), "--canary"])

    assert code == 2
    assert "--prometheus URL" in said(capfd)
