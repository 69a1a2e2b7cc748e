"""What the manifests name is named the same in step 4's compose.yaml and in the services' settings."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from step3_microservices.broker import create_celery
from step3_microservices.gateway.config import Config as GatewayConfig
from step3_microservices.recommender.config import Config as RecommenderConfig
from step3_microservices.recommender.events_consumer import Config as EventsConfig
from step3_microservices.redis_client import connect
from step3_microservices.settings import read
from step3_microservices.worker.config import Config as WorkerConfig
from step5_orchestration.deploy.gke.cost import estimate, quantity, read_prices
from step5_orchestration.deploy.gke.manifests import MANIFESTS, Rendered, containers, pod_of
from tests.app.serving import ROOT
from tests.app.step5.kubernetes_rendered import DEPLOYMENTS, WITH_PODS, manifests, named, of, settings

STEP4 = ROOT / "step4_docker"
COMPOSE = yaml.safe_load((STEP4 / "compose.yaml").read_text())
CONFIGS = {"gateway": GatewayConfig, "worker": WorkerConfig, "recommender": RecommenderConfig, "events": EventsConfig}
SERVICES = ("frontend", *CONFIGS, "redis")
MEMORYSTORE = "gke with https and Memorystore"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB+/=\n-----END CERTIFICATE-----\n"
FOR_BOTO3 = re.compile(r"AWS_\w+")

per_deployment = pytest.mark.parametrize("deployment", DEPLOYMENTS)
per_config = pytest.mark.parametrize("service", CONFIGS)


def workload(deployment: str, name: str) -> dict[str, Any]:
    return named(deployment, "StatefulSet" if name == "redis" else "Deployment", name)


def container(deployment: str, name: str) -> dict[str, Any]:
    (found,) = containers(workload(deployment, name))
    return found


def bytes_of(compose_memory: str) -> float:
    """Docker's M is a mebibyte."""
    default = re.sub(r"\$\{\w+:-(.*)\}", r"\1", compose_memory)
    return quantity(default.replace("M", "Mi").replace("G", "Gi"))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_memory_that_it_has_in_step_4(service: str):
    limit = COMPOSE["services"][service]["deploy"]["resources"]["limits"]["memory"]

    assert quantity(container("gke", service)["resources"]["limits"]["memory"]) == bytes_of(limit)


def test_every_service_of_step_4_is_here_or_said_to_be_elsewhere():
    elsewhere = {"trainer", "postgres", "prometheus", "grafana"}  # a CronJob, Cloud SQL, managed Prometheus

    assert {*COMPOSE["services"]} - elsewhere == {*SERVICES}


@per_deployment
@per_config
def test_every_variable_is_a_setting_of_its_service_and_can_be_read(deployment: str, service: str, tmp_path: Path):
    config = CONFIGS[service]
    given = settings(deployment, workload(deployment, service), container(deployment, service))
    known = {field.name.upper() for field in fields(config)}
    ours = {name: value for name, value in given.items() if not FOR_BOTO3.fullmatch(name)}
    (tmp_path / "redis_url").write_text("redis://:password@redis:6379/0\n")
    (tmp_path / "analytics_database").write_text("postgresql://user:password@10.0.0.3/analytics\n")
    here = {name: value.replace("/run/secrets", str(tmp_path)) for name, value in ours.items()}

    assert {name.removesuffix("_FILE") for name in ours} <= known
    assert read(config, here)


@per_deployment
@pytest.mark.parametrize(
    ("service", "variable"),
    [("gateway", "PORT"), ("recommender", "PORT"), ("worker", "METRICS_PORT"), ("events", "EVENTS_METRICS_PORT")],
)
def test_a_service_listens_on_the_port_that_is_told_of_it(deployment: str, service: str, variable: str):
    found = container(deployment, service)
    (port,) = [one["containerPort"] for one in found["ports"]]

    assert settings(deployment, workload(deployment, service), found)[variable] == str(port)
    for one in of(deployment, "Service"):
        if one["metadata"]["name"] == service:
            assert one["spec"]["ports"][0]["port"] == port


@per_deployment
def test_addresses_of_other_services_are_names_and_ports_of_services(deployment: str):
    services = {one["metadata"]["name"]: one["spec"]["ports"][0]["port"] for one in of(deployment, "Service")}
    address = settings(deployment, workload(deployment, "gateway"), container(deployment, "gateway"))["RECOMMENDER_URL"]
    upstreams = [
        re.search(r"server ([\w-]+):(\d+);", one["data"]["upstream.conf"]).groups()
        for one in of(deployment, "ConfigMap")
        if "upstream.conf" in one["data"]
    ]

    assert address == f"http://recommender:{services['recommender']}"
    assert upstreams
    assert [(name, services[name]) for name, _ in upstreams] == [(name, int(port)) for name, port in upstreams]


def test_redis_is_the_one_of_step_4_with_its_configuration_byte_for_byte():
    image = re.sub(r"\$\{\w+:-(.*)\}", r"\1", COMPOSE["services"]["redis"]["image"])

    assert container("gke", "redis")["image"] == image
    assert (MANIFESTS / "base/settings/redis.conf").read_bytes() == (STEP4 / "redis.conf").read_bytes()


def test_nginx_gets_the_same_variable_from_either_upstream_file():
    ours = (MANIFESTS / "base/settings/upstream.conf").read_text()
    theirs = (STEP4 / "frontend/upstream.conf").read_text()

    assert re.findall(r"map \"\" (\$\w+)", ours) == re.findall(r"map \"\" (\$\w+)", theirs)
    assert container("gke", "frontend")["volumeMounts"][1]["mountPath"] == "/etc/nginx/upstream.conf"


@pytest.mark.parametrize("part", ["frontend", "gateway", "worker", "recommender", "trainer"])
def test_pods_run_as_the_user_that_the_container_image_was_made_for(part: str):
    users = re.findall(r"^USER (\d+):(\d+)$", (STEP4 / f"{part}.Dockerfile").read_text(), re.MULTILINE)
    pod = pod_of(named("gke", "CronJob", "training") if part == "trainer" else workload("gke", part))

    assert [(str(pod["securityContext"]["runAsUser"]), str(pod["securityContext"]["runAsGroup"]))] == users


def test_a_worker_has_a_core_for_each_of_its_threads():
    worker = container("gke", "worker")

    assert (
        settings("gke", workload("gke", "worker"), worker)["INFERENCE_THREADS"]
        == worker["resources"]["requests"]["cpu"]
    )


def test_each_timeout_is_longer_than_the_one_inside_it():
    proxy = re.search(r"proxy_read_timeout (\d+)s;", (STEP4 / "frontend/proxy.conf").read_text())[1]
    given = settings("gke", workload("gke", "gateway"), container("gke", "gateway"))
    config = read(GatewayConfig, {name: value for name, value in given.items() if not name.endswith("_FILE")})
    balancer = named("gke", "GCPBackendPolicy", "frontend")["spec"]["default"]["timeoutSec"]
    terminations = {
        name: pod_of(workload("gke", name))["terminationGracePeriodSeconds"]
        for name in ("frontend", "gateway", "worker")
    }

    assert config.answer_timeout_s < int(proxy) < balancer < min(terminations.values())
    assert config.answer_timeout_s == GatewayConfig().answer_timeout_s, "the default is the one that step 4 runs with"


@pytest.mark.parametrize("service", ["frontend", "gateway", "recommender"])
def test_a_pod_has_time_to_be_forgotten_and_then_to_end_what_it_has_in_work(service: str):
    found, pod = container("gke", service), pod_of(workload("gke", service))
    forgotten = found["lifecycle"]["preStop"]["sleep"]["seconds"]
    given = settings("gke", workload("gke", service), found)
    nginx = re.search(r"worker_shutdown_timeout (\d+)s;", (STEP4 / "frontend/nginx.conf").read_text())[1]
    ends = int(given.get("SHUTDOWN_TIMEOUT_S", nginx))

    assert forgotten + ends < pod["terminationGracePeriodSeconds"]


@per_deployment
def test_probes_ask_ports_and_paths_that_there_are(deployment: str):
    paths = {
        "frontend": {"/healthz"},
        "gateway": {"/livez", "/readyz"},
        "recommender": {"/livez"},
        "worker": {"/metrics"},
    }
    for service, known in paths.items():
        found = container(deployment, service)
        probes = [
            found[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe") if name in found
        ]

        assert {probe["path"] for probe in probes} == known, service
        assert {probe["port"] for probe in probes} <= {port["name"] for port in found["ports"]}


def test_only_a_model_that_is_loaded_ends_the_start_of_a_worker():
    """The port of the figures is opened after the model is loaded: the order of two lines in step 3."""
    process = (ROOT / "step3_microservices/worker/process.py").read_text()
    worker = container("gke", "worker")

    assert process.index("load_model(config") < process.index("return work(config, models)")
    assert process.index("def work(") < process.index("serve_figures(metrics.registry, config.metrics_port)")
    assert worker["startupProbe"]["httpGet"]["port"] == "metrics"
    assert worker["startupProbe"]["periodSeconds"] * worker["startupProbe"]["failureThreshold"] >= 120


def test_workers_are_scaled_by_figures_that_the_services_have():
    (trigger,) = named("gke", "ScaledObject", "worker")["spec"]["triggers"]
    names = {*re.findall(r"\b((?:classifier|worker)_\w+?)(?:_sum|_count)?\{", trigger["metadata"]["query"])}
    code = "".join(path.read_text() for path in (ROOT / "step3_microservices").rglob("*.py"))

    assert names >= {"classifier_queue_length", "worker_predict_duration_seconds"}
    assert [name for name in names if f'"{name}"' not in code] == []


def test_every_secret_that_a_pod_is_given_is_a_file_that_a_setting_names():
    for one in of("gke", "SecretProviderClass"):
        entries = yaml.safe_load(one["spec"]["parameters"]["secrets"])
        assert {entry["path"] for entry in entries} <= {
            "redis_url",
            "redis_auth",
            "analytics_database",
            "lists_credentials",
        }
        assert all(entry["resourceName"].startswith("projects/somebody/secrets/classifier-") for entry in entries)


def test_memorystores_certificate_is_part_of_an_address_that_every_client_of_redis_takes():
    (port,) = (
        rule["port"] for rule in named(MEMORYSTORE, "NetworkPolicy", "to-memorystore")["spec"]["egress"][0]["ports"]
    )
    url = f"rediss://:password@10.0.0.3:{port}/0?ssl_ca_data={quote(CERTIFICATE, safe='')}"

    assert read(WorkerConfig, {"REDIS_URL": url}).redis_url == url
    assert connect(url).connection_pool.connection_kwargs["ssl_ca_data"] == CERTIFICATE
    assert create_celery(url, visibility_timeout_s=60).connection_for_write().ssl == {"ssl_ca_data": CERTIFICATE}


def test_lists_in_a_bucket_of_google_are_reached_as_in_s3():
    given = settings("gke", workload("gke", "recommender"), container("gke", "recommender"))

    assert given["ARTIFACTS"] == "s3://somebodys-lists/recommender"
    assert given["AWS_ENDPOINT_URL_S3"] == "https://storage.googleapis.com"
    assert manifests("gke")


def test_the_page_binds_each_service_account_to_the_secrets_that_its_pods_are_given_and_to_no_others():
    classes = {
        one["metadata"]["name"]: one["spec"]["parameters"]["secrets"] for one in of("gke", "SecretProviderClass")
    }
    given = {
        f"{pod['serviceAccountName']}:{secret}"
        for one in of("gke with a canary", *WITH_PODS)
        if (pod := pod_of(one))
        for volume in pod.get("volumes", ())
        if "csi" in volume
        for secret in re.findall(
            r"classifier-([\w-]+)/", classes[volume["csi"]["volumeAttributes"]["secretProviderClass"]]
        )
    }
    told = re.search(r"for pair in(.*?)\ndo\n", (MANIFESTS / "README.md").read_text(), re.DOTALL)[1]

    assert {*told.replace("\\", " ").split()} == given


def test_the_pages_quote_what_the_manifests_cost():
    cost = estimate(Rendered(manifests("gke")), read_prices())
    page, page_of_step = ((folder / "README.md").read_text() for folder in (MANIFESTS, MANIFESTS.parent))
    hourly = f"${cost.least_monthly / 730:.2f} to ${cost.most_monthly / 730:.2f}"

    assert f"**{cost.least_monthly:.0f} to {cost.most_monthly:.0f}**" in page
    assert f"| {hourly} | ${cost.least_monthly:.0f} to ${cost.most_monthly:.0f} |" in page_of_step


@per_deployment
def test_who_is_told_of_a_file_with_a_secret_has_that_file(deployment: str):
    for one in of(deployment, *WITH_PODS):
        for each in containers(one):
            told = [value for value in settings(deployment, one, each).values() if value.startswith("/run/secrets/")]
            mounts = {mount["mountPath"] for mount in each.get("volumeMounts", ())}

            assert not told or "/run/secrets" in mounts, f"{one['metadata']['name']}/{each['name']}: {told}"
