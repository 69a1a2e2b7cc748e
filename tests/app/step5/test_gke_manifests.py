"""The manifests are valid, each on its own and all together, for Kubernetes and for what extends it."""

import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import kubernetes_validate
import pytest
import yaml

from step5_orchestration.deploy.gke.manifests import MANIFESTS, Manifest, containers, pod_of
from tests.app.step5.kubernetes_rendered import DEPLOYMENTS, EVERYTHING, WITH_PODS, manifests, named, of

VERSIONS = ("1.35", "1.36", "1.37")
EXTENSIONS = yaml.safe_load(Path(__file__).with_name("kubernetes_extensions.yaml").read_text())

per_deployment = pytest.mark.parametrize("deployment", EVERYTHING)


def name_of(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def extension_of(manifest: Manifest) -> dict[str, Any] | None:
    kind = EXTENSIONS["kinds"].get(f"{manifest['apiVersion']} {manifest['kind']}")
    return {"$defs": EXTENSIONS["$defs"], **kind} if kind else None


@pytest.fixture(scope="module")
def of_kubernetes() -> list[Manifest]:
    """Each manifest once, without those of extensions: schemas take their time."""
    everything = [one for deployment in EVERYTHING for one in manifests(deployment) if not extension_of(one)]
    return list({yaml.safe_dump(one): one for one in everything}.values())


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field_and_its_type(version: str, of_kubernetes: list[Manifest]):
    for manifest in of_kubernetes:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_kubernetes_does_not_know_a_misspelt_field():
    deployment = named("gke", "Deployment", "gateway")
    misspelt = {**deployment, "spec": {**deployment["spec"], "replica": 2}}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(misspelt, VERSIONS[0], strict=True)


@per_deployment
def test_extensions_know_every_field_and_its_type(deployment: str):
    wrong = {
        name_of(manifest): str(error)
        for manifest in manifests(deployment)
        if (schema := extension_of(manifest))
        for error in jsonschema_rs.validator_for(schema).iter_errors(manifest["spec"])
    }

    assert wrong == {}


def test_a_misspelt_field_of_an_extension_is_found():
    policy = named("gke", "GCPBackendPolicy", "frontend")
    misspelt = {**policy["spec"], "default": {"timeoutSecs": 60}}

    assert not jsonschema_rs.is_valid(extension_of(policy), misspelt)


def test_every_component_is_part_of_a_deployment_that_is_looked_at():
    reached: set[str] = set()
    for overlay in DEPLOYMENTS.values():
        text = (MANIFESTS / "overlays" / overlay.name / "kustomization.yaml").read_text()
        reached |= {*overlay.components, *re.findall(r"components/([\w-]+)(?:  #.*)?$", text, re.MULTILINE)}

    assert reached == {folder.name for folder in (MANIFESTS / "components").iterdir()}


@per_deployment
def test_no_two_manifests_are_the_same_object(deployment: str):
    names = [name_of(manifest) for manifest in manifests(deployment)]

    assert sorted(names) == sorted({*names})


@per_deployment
def test_what_a_pod_refers_to_is_there(deployment: str):
    made = {name_of(manifest) for manifest in manifests(deployment)} | {"Secret/redis"}  # made by the deploy tool
    missing = {
        f"{name_of(workload)}: {reference}"
        for workload in of(deployment, *WITH_PODS)
        for reference in references(pod_of(workload))
        if reference not in made
    }

    assert missing == set()


def references(pod: dict[str, Any]) -> set[str]:
    found = {f"ServiceAccount/{pod['serviceAccountName']}"} if "serviceAccountName" in pod else set()
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        found |= {f"ConfigMap/{source['configMapRef']['name']}" for source in container.get("envFrom", ())}
    for volume in pod.get("volumes", ()):
        if "configMap" in volume:
            found.add(f"ConfigMap/{volume['configMap']['name']}")
        if "secret" in volume:
            found.add(f"Secret/{volume['secret']['secretName']}")
        if "persistentVolumeClaim" in volume:
            found.add(f"PersistentVolumeClaim/{volume['persistentVolumeClaim']['claimName']}")
        if "csi" in volume:
            found.add(f"SecretProviderClass/{volume['csi']['volumeAttributes']['secretProviderClass']}")
    return found


@per_deployment
def test_every_mount_has_a_volume_and_every_volume_a_mount(deployment: str):
    for workload in of(deployment, *WITH_PODS):
        pod = pod_of(workload)
        claims = workload["spec"].get("volumeClaimTemplates", ())
        volumes = {one["name"] for one in pod.get("volumes", ())} | {one["metadata"]["name"] for one in claims}
        mounts = {mount["name"] for container in containers(workload) for mount in container.get("volumeMounts", ())}

        assert mounts == volumes, name_of(workload)


@per_deployment
def test_selectors_find_the_pods_that_they_mean_and_no_others(deployment: str):
    pods = {
        name_of(one): one["spec"]["template"]["metadata"]["labels"]
        for one in of(deployment, "Deployment", "StatefulSet")
    }
    for one in of(deployment, "Service", "PodDisruptionBudget", "Deployment", "StatefulSet"):
        selector = one["spec"]["selector"]
        labels = selector if one["kind"] == "Service" else selector["matchLabels"]
        found = [name for name, of_pod in pods.items() if labels.items() <= of_pod.items()]

        assert [name.partition("/")[2] for name in found] == [one["metadata"]["name"]], name_of(one)


@per_deployment
def test_routes_and_policies_lead_to_ports_of_services(deployment: str):
    services = {one["metadata"]["name"]: one["spec"]["ports"][0] for one in of(deployment, "Service")}
    backends = [
        (backend["name"], backend["port"])
        for route in of(deployment, "HTTPRoute")
        for rule in route["spec"]["rules"]
        for backend in rule.get("backendRefs", ())
    ]
    policies = of(deployment, "GCPBackendPolicy", "HealthCheckPolicy")

    assert [one for one in backends if services[one[0]]["port"] != one[1]] == []
    for kind in ("GCPBackendPolicy", "HealthCheckPolicy"):
        targets = {one["spec"]["targetRef"]["name"] for one in policies if one["kind"] == kind}
        assert targets == {name for name, _ in backends}, f"every backend needs a {kind}"


@per_deployment
def test_pods_need_nothing_that_the_restricted_standard_forbids(deployment: str):
    for workload in of(deployment, *WITH_PODS):
        pod = pod_of(workload)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & {*pod}
        for container in containers(workload):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name_of(workload)


@per_deployment
def test_memory_is_what_was_asked_for_and_not_more(deployment: str):
    for workload in of(deployment, *WITH_PODS):
        for container in containers(workload):
            resources = container["resources"]
            assert resources["limits"] == {"memory": resources["requests"]["memory"]}, name_of(workload)


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_nobody_is_spoken_to_who_is_not_let_in(deployment: str):
    """Follow each way that services need through the policies of both its ends."""
    ways = {
        ("frontend", "gateway", 8000),
        ("gateway", "recommender", 8010),
        *((name, "redis", 6379) for name in ("gateway", "worker", "recommender", "events")),
    }
    if not of(deployment, "StatefulSet"):  # Memorystore, which is no Pod
        ways = {way for way in ways if way[1] != "redis"}
    names = ("frontend", "gateway", "worker", "recommender", "events", "redis", "migrations", "training")
    policies = [one["spec"] for one in of(deployment, "NetworkPolicy")]
    open_ways = {
        (source, target, port)
        for source in names
        for target in names
        for port in (8000, 8010, 6379, 8080, 9100)
        if lets(policies, "egress", (source, target), port) and lets(policies, "ingress", (target, source), port)
    }

    assert open_ways == ways


def lets(policies: list[dict[str, Any]], direction: str, ends: tuple[str, str], port: int) -> bool:
    """Whether some policy of the first end lets the other through on that port."""
    own, other = ends
    peers = {"egress": "to", "ingress": "from"}[direction]
    rules = [rule for one in policies if selects(one["podSelector"], own) for rule in one.get(direction, ())]
    return any(
        port in {one["port"] for one in rule.get("ports", ())}
        and any([*peer] == ["podSelector"] and selects(peer["podSelector"], other) for peer in rule[peers])
        for rule in rules
    )


def selects(selector: dict[str, Any], name: str) -> bool:
    wanted = selector.get("matchLabels", {})
    expressions = selector.get("matchExpressions", ())
    return set(wanted.values()) <= {name} and all(name in one["values"] for one in expressions)


def test_everything_is_denied_that_is_not_let_through():
    policy = named("gke", "NetworkPolicy", "default-deny")

    assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_only_the_front_end_is_open_to_the_load_balancer_and_its_health_checks():
    from_outside = {
        (policy["metadata"]["name"], peer["ipBlock"]["cidr"])
        for policy in of("gke", "NetworkPolicy")
        for rule in policy["spec"].get("ingress", ())
        for peer in rule["from"]
        if "ipBlock" in peer
    }

    assert from_outside == {
        ("frontend-from-load-balancer", "130.211.0.0/22"),
        ("frontend-from-load-balancer", "35.191.0.0/16"),
    }


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_how_many_there_are_is_said_by_an_autoscaler_or_by_the_manifest_and_never_by_both(deployment: str):
    scaled = {
        one["spec"]["scaleTargetRef"]["name"] for one in of(deployment, "HorizontalPodAutoscaler", "ScaledObject")
    }
    counted = {one["metadata"]["name"] for one in of(deployment, "Deployment") if "replicas" in one["spec"]}

    assert scaled >= ({"gateway"} if deployment == "local" else {"gateway", "worker"})
    assert scaled & counted == set()


@pytest.mark.parametrize("name", ["frontend", "gateway", "worker", "recommender"])
def test_who_is_there_several_times_is_spread_and_never_taken_away_or_replaced_all_at_once(name: str):
    spec = named("gke", "Deployment", name)["spec"]
    spread = pod_of(named("gke", "Deployment", name))["topologySpreadConstraints"]

    assert named("gke", "PodDisruptionBudget", name)["spec"]["maxUnavailable"] == 1
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert "kubernetes.io/hostname" in {one["topologyKey"] for one in spread}
    assert all(one["labelSelector"] == spec["selector"] for one in spread)


def test_managed_prometheus_knows_where_figures_are_and_is_let_in():
    (rule,) = named("gke", "NetworkPolicy", "figures-for-collectors")["spec"]["ingress"]
    ports = {}
    for monitoring in of("gke", "PodMonitoring"):
        (endpoint,) = monitoring["spec"]["endpoints"]
        (container,) = containers(named("gke", "Deployment", monitoring["metadata"]["name"]))
        ports |= {
            one["containerPort"]: container["name"] for one in container["ports"] if one["name"] == endpoint["port"]
        }
        assert monitoring["spec"]["selector"]["matchLabels"] == {"app.kubernetes.io/name": container["name"]}

    assert {one["metadata"]["name"] for one in of("gke", "PodMonitoring")} == {
        "gateway",
        "worker",
        "recommender",
        "events",
    }
    assert {*ports} == {one["port"] for one in rule["ports"]}


def test_what_redis_keeps_in_files_lies_on_a_disk_of_its_own():
    redis = named("gke", "StatefulSet", "redis")
    (claim,) = redis["spec"]["volumeClaimTemplates"]
    mounts = {mount["name"]: mount["mountPath"] for one in containers(redis) for mount in one["volumeMounts"]}
    conf = (MANIFESTS / "base/settings/redis.conf").read_text().splitlines()

    assert {"appendonly yes", f"dir {mounts[claim['metadata']['name']]}"} <= {*conf}


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_a_nights_training_ends_before_the_next_and_never_runs_beside_another(deployment: str):
    spec = named(deployment, "CronJob", "training")["spec"]

    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] < 24 * 3600


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_names_are_asked_of_dns_wherever_a_cluster_has_it(deployment: str):
    (rule,) = named(deployment, "NetworkPolicy", "all-ask-dns")["spec"]["egress"]
    pods, *addresses = rule["to"]

    assert {(one["protocol"], one["port"]) for one in rule["ports"]} == {("UDP", 53), ("TCP", 53)}
    assert pods["podSelector"]["matchExpressions"][0]["values"] == ["kube-dns", "node-local-dns"]
    assert {one["ipBlock"]["cidr"] for one in addresses} == {"169.254.20.10/32", "169.254.169.254/32"}


def test_the_load_balancer_treats_a_canary_as_it_treats_what_stands_beside_it():
    for kind in ("GCPBackendPolicy", "HealthCheckPolicy"):
        stable, canary = (
            named("gke with a canary", kind, name)["spec"]["default"] for name in ("frontend", "frontend-canary")
        )

        assert canary == {**stable, **({"logging": canary["logging"]} if "logging" in canary else {})}


def test_a_canary_differs_from_what_it_stands_beside_in_nothing_but_its_name_its_image_and_its_way():
    for name in ("frontend", "gateway"):
        stable, canary = (named("gke with a canary", "Deployment", one) for one in (name, f"{name}-canary"))
        text = re.sub(r"sha256:\w+", "", yaml.safe_dump(canary["spec"]))
        text = re.sub(rf"{name}-canary-\w+", f"{name}-hash", text).replace(f"{name}-canary", name)
        expected = re.sub(r"sha256:\w+", "", yaml.safe_dump(stable["spec"]))
        expected = re.sub(rf"configMap:\n( *)name: {name}-\w+", rf"configMap:\n\1name: {name}-hash", expected)

        assert text.replace("track: canary", "track: stable") == expected


def test_a_canary_changes_nothing_of_what_stands_beside_it():
    alone = {name_of(one): one for one in manifests("gke")}
    beside = {name_of(one): one for one in manifests("gke with a canary")}
    changed = [name for name, manifest in alone.items() if beside[name] != manifest]

    assert changed == ["HTTPRoute/classifier"]


def test_another_setting_is_another_config_map_so_that_pods_are_replaced():
    for manifest in of("gke", "ConfigMap"):
        assert re.search(r"-[a-z0-9]{10}$", manifest["metadata"]["name"]), name_of(manifest)


def test_no_secret_is_in_a_manifest():
    for deployment in EVERYTHING:
        assert of(deployment, "Secret") == []
