"""The whole flow with the real kubectl, against an API server of ours."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from step5_orchestration.deploy.__main__ import main
from step5_orchestration.deploy.errors import ConfigurationError, NotDestroyedError, UpdateTimeoutError
from step5_orchestration.deploy.gke.address import reached
from step5_orchestration.deploy.gke.apply import apply
from step5_orchestration.deploy.gke.destroy import destroy
from step5_orchestration.deploy.gke.manifests import NAMESPACE, Rendered
from step5_orchestration.deploy.gke.workplace import Check
from tests.app.step5.kubernetes_rendered import manifests
from tests.app.step5.kubernetes_world import World, a_world, image
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def one_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("kubernetes")) as world:
        yield world


@pytest.fixture
def world(one_world: World) -> World:
    """An empty cluster."""
    one_world.begin({})
    return one_world


@pytest.fixture
def deployed(world: World) -> World:
    """A cluster after a first deployment, which is done once."""
    if not world.applied:
        run(world, "apply")
        world.applied = dict(world.cluster.objects)
    world.begin(world.applied)
    return world


def run(world: World, verb: str, *options: str, pushed: str = "a") -> int:
    return main(["gke", verb, *(wanted(world, pushed) if verb in {"plan", "apply"} else []), *options])


def wanted(world: World, pushed: str) -> list[str]:
    return ["--images", str(world.pushed(pushed)), "--place", str(world.place)]


def test_a_first_deployment_is_planned_priced_applied_and_asked_for_the_golden_picture(
    world: World, capfd: pytest.CaptureFixture[str]
):
    planned = run(world, "plan")
    plan = capfd.readouterr().out
    requests_of_plan = [one for one in world.cluster.requests if not one.startswith("get")]
    applied = run(world, "apply")
    done = capfd.readouterr()

    assert (planned, applied) == (0, 0)
    assert "Deployment/gateway" in plan
    assert "a month of 730 hours" in plan
    assert requests_of_plan == [], "a plan changes nothing"
    assert world.running("gateway") == image("gateway", "a")
    assert done.out == f"http://{world.cluster.load_balancer}\n"
    assert "job/migrations is done" in done.err
    assert "Rolled out: deployment/events" in done.err


def test_tables_are_brought_up_to_date_before_the_services_that_need_them(world: World):
    run(world, "apply")

    order = [one.split()[1] for one in world.cluster.requests if one.startswith("patch")]
    assert order.index("namespaces") < order.index("jobs") < order.index("deployments")


def test_the_next_plan_shows_what_differs_and_nothing_else(deployed: World, capfd: pytest.CaptureFixture[str]):
    run(deployed, "plan")
    same = capfd.readouterr().out
    run(deployed, "plan", pushed="b")
    other = capfd.readouterr().out

    assert "Nothing would change" in same
    assert f"-        image: {image('gateway', 'a')}\n+        image: {image('gateway', 'b')}\n" in other


def test_what_was_deployed_is_shown(world: World, capfd: pytest.CaptureFixture[str]):
    run(world, "status")
    before = capfd.readouterr().out
    run(world, "apply")
    capfd.readouterr()
    run(world, "status")
    after = capfd.readouterr().out

    assert before == "Nothing is deployed.\n"
    assert "aaaaaaaaaaaa, applied" in after
    assert f"found at http://{world.cluster.load_balancer}" in after


def test_a_rollout_that_does_not_come_up_is_gone_back_from_and_explained(
    deployed: World, capfd: pytest.CaptureFixture[str]
):
    deployed.cluster.broken = {image("gateway", "b"): "CrashLoopBackOff: back-off 10s restarting failed container"}

    code = run(deployed, "apply", pushed="b")

    said = capfd.readouterr().err
    assert code == 2
    assert deployed.running("gateway") == image("gateway", "a")
    assert deployed.running("worker") == image("worker", "a")
    assert "exceeded its progress deadline" in said
    assert "gateway-pod: CrashLoopBackOff back-off 10s restarting failed container" in said
    assert "It was gone back from: aaaaaaaaaaaa serves again." in said


def test_what_keeps_pods_from_being_made_is_told(deployed: World, capfd: pytest.CaptureFixture[str]):
    refusal = 'pods "worker-" is forbidden: violates PodSecurity "restricted:latest"'
    deployed.cluster.broken = {image("worker", "b"): f"FailedCreate: {refusal}"}

    code = run(deployed, "apply", pushed="b")

    assert code == 2
    assert refusal in capfd.readouterr().err


def test_what_answers_the_golden_picture_wrong_is_gone_back_from(deployed: World, capfd: pytest.CaptureFixture[str]):
    code = run(deployed, "apply", pushed="e")

    assert code == 2
    assert deployed.running("gateway") == image("gateway", "a")
    assert deployed.running("training", "cronjobs") == image("trainer", "a"), "not Deployments alone go back"
    assert "sees 'toaster' in the golden picture" in capfd.readouterr().err


def test_an_apply_leaves_alone_what_an_autoscaler_has_set(deployed: World):
    deployed.named("deployments", "worker")["spec"]["replicas"] = 7

    run(deployed, "apply", pushed="b")

    assert deployed.running("worker") == image("worker", "b")
    assert deployed.named("deployments", "worker")["spec"]["replicas"] == 7


def test_a_first_deployment_that_fails_is_left_to_be_looked_at(world: World, capfd: pytest.CaptureFixture[str]):
    world.cluster.broken = {image("worker", "a"): "ImagePullBackOff: no such image"}

    code = run(world, "apply")

    assert code == 2
    assert world.running("worker") == image("worker", "a")
    assert "Nothing was there before" in capfd.readouterr().err


def test_a_migration_that_fails_stops_the_deployment_before_any_service_is_touched(
    deployed: World, capfd: pytest.CaptureFixture[str]
):
    deployed.cluster.broken = {image("recommender", "b"): "The database cannot be used."}

    code = run(deployed, "apply", pushed="b")

    said = capfd.readouterr().err
    assert code == 2
    assert {deployed.running(name) for name in ("gateway", "worker")} == {image("gateway", "a"), image("worker", "a")}
    assert "the services were left alone. It said: The database cannot be used. It was gone back from" in said


def test_what_is_gone_back_to_is_what_has_served_also_where_no_service_was_touched_yet(deployed: World):
    run(deployed, "apply", pushed="b")
    deployed.cluster.refusals = {"patch networkpolicies": "not now"}
    run(deployed, "apply", pushed="c")
    deployed.cluster.refusals = {}

    run(deployed, "rollback")

    assert deployed.running("gateway") == image("gateway", "b")


def test_somebody_else_can_go_back_to_what_was_there_before_and_only_once(
    deployed: World, capfd: pytest.CaptureFixture[str]
):
    run(deployed, "apply", pushed="b")

    first = run(deployed, "rollback")
    back_at = deployed.running("gateway")
    second = run(deployed, "rollback")

    told = capfd.readouterr()
    assert (first, back_at, second) == (0, image("gateway", "a"), 2)
    assert "aaaaaaaaaaaa serves again." in told.out
    assert "has replaced nothing that is known to have worked" in told.err


def test_a_canary_that_is_good_is_promoted(deployed: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("step5_orchestration.deploy.gke.verbs.SystemClock", lambda: deployed.clock)
    shares: list[int] = []
    deployed.clock.meanwhile = lambda: shares.append(deployed.weights.get("frontend-canary", 0))

    code = run(deployed, "apply", "--canary", "--prometheus", deployed.prometheus, "--weights", "10", pushed="b")

    assert code == 0
    assert shares == [0, 10, 10, 10, 0]
    assert deployed.running("gateway") == image("gateway", "b")
    assert [name for name in deployed.names("deployments") if "canary" in name] == []


def test_a_canary_that_is_worse_is_not(
    deployed: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("step5_orchestration.deploy.gke.verbs.SystemClock", lambda: deployed.clock)
    deployed.figures["canary"] = (200, 0, 2.5)

    code = run(deployed, "apply", "--canary", "--prometheus", deployed.prometheus, pushed="b")

    assert code == 2
    assert "The canary is worse, and was gone back from" in capfd.readouterr().err
    assert {deployed.running(name) for name in ("gateway", "worker")} == {image("gateway", "a"), image("worker", "a")}


def test_an_interrupted_deployment_is_gone_on_with_or_back_from(deployed: World):
    code, said = interrupted(deployed, "apply", *wanted(deployed, "b"))
    half = deployed.running("gateway")
    run(deployed, "apply", pushed="c")
    run(deployed, "rollback")

    assert code == 130
    assert "`gke rollback` goes back.\nThe same command goes on where it was stopped." in said
    assert "Traceback" not in said
    assert half == image("gateway", "b")
    assert deployed.running("gateway") == image("gateway", "a"), "what was half done was never known to work"


def test_going_back_is_gone_on_with_after_an_interruption(deployed: World):
    run(deployed, "apply", pushed="b")

    code, _ = interrupted(deployed, "rollback")
    again = run(deployed, "rollback")

    assert (code, again) == (130, 0)
    assert deployed.running("gateway") == image("gateway", "a")


def interrupted(world: World, *arguments: str) -> tuple[int, str]:
    """Press Ctrl-C while the tool waits for the site; return its exit code, and what it says."""
    command = [sys.executable, "-m", "step5_orchestration.deploy", "gke", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        world.when_asked = lambda: process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=300)
    return process.returncode, said


def test_a_deployment_over_budget_is_refused_before_the_cluster_is_touched(
    world: World, capfd: pytest.CaptureFixture[str]
):
    code = run(world, "apply", "--budget", "500")

    assert code == 2
    assert "the budget is $500" in capfd.readouterr().err
    assert world.cluster.requests == []


def test_what_has_a_certificate_is_asked_by_its_name(world: World):
    rendered = Rendered(manifests("gke with https and Memorystore"))

    with pytest.raises(ConfigurationError, match="A certificate is for a name") as refused:
        apply(rendered, "aaaaaaaaaaaa", world.target, Check(lambda _: None, None, 10))

    assert refused.value.remedy == "Say the name: --address https://NAME."
    assert world.cluster.requests == []


def test_a_cluster_on_this_machine_gets_a_password_for_redis_once_and_keeps_it(world: World):
    options = [
        "gke",
        "apply",
        "--overlay",
        "local",
        "--tag",
        "abc",
        "--address",
        f"http://{world.cluster.load_balancer}",
    ]

    first = main(options)
    made = json.dumps(world.named("secrets", "redis")["data"])
    again = main(options)

    assert (first, again) == (0, 0)
    assert world.running("gateway") == "classifier/gateway:abc"
    assert "requirepass" in made
    assert json.dumps(world.named("secrets", "redis")["data"]) == made


def test_a_load_balancer_that_has_no_address_yet_is_waited_for(deployed: World):
    status = deployed.named("gateways", "classifier")["status"]
    addresses = status.pop("addresses")
    deployed.clock.meanwhile = lambda: status.update(addresses=addresses)

    with reached(deployed.target, None) as address:
        assert address == f"http://{deployed.site_at}"


def test_a_load_balancer_that_never_gets_an_address_is_given_up(deployed: World):
    del deployed.named("gateways", "classifier")["status"]["addresses"]

    with pytest.raises(UpdateTimeoutError, match="has got no address within 600 s"), reached(deployed.target, None):
        pass


def test_destroying_has_to_be_meant(deployed: World, capfd: pytest.CaptureFixture[str]):
    assert run(deployed, "destroy") == 2
    assert "Say --yes" in capfd.readouterr().err
    assert deployed.names("deployments") != []


def test_destroying_removes_the_load_balancer_first_and_leaves_nothing(deployed: World):
    destroy(deployed.target)
    destroy(deployed.target)

    removed = [one for one in deployed.cluster.requests if one.startswith("delete") and "jobs" not in one]
    assert removed == ["delete gateways classifier", "delete namespaces classifier"]
    assert deployed.cluster.objects == {}
    assert "Nothing is left in the cluster." in deployed.told.lines[-1]


def test_destroying_speaks_of_no_load_balancer_where_there_is_none(deployed: World):
    del deployed.cluster.objects["gateways", NAMESPACE, "classifier"]

    destroy(deployed.target)

    assert deployed.told.lines[0] == "The namespace classifier is removed."


def test_what_does_not_go_is_named(deployed: World):
    deployed.cluster.stuck_namespace = True

    with pytest.raises(NotDestroyedError, match=r"still there after 900 s\. gateways are remaining"):
        destroy(deployed.target)


def test_disks_that_are_left_are_named_with_the_command_that_removes_them(deployed: World):
    deployed.cluster.kept_disks = True

    with pytest.raises(NotDestroyedError, match="kubectl delete persistentvolume pv-data-redis-0"):
        destroy(deployed.target)
