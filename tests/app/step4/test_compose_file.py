"""What can be told of step 4 by reading it: names, limits, pins, and that every tool that knows the format agrees."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from step3_microservices.gateway.access import SECURITY_HEADERS
from step3_microservices.gateway.config import Config as GatewayConfig
from step3_microservices.recommender.config import Config as RecommenderConfig
from step3_microservices.recommender.events_consumer import Config as EventsConfig
from step3_microservices.worker.config import Config as WorkerConfig
from tests.app.step4.compose_file import FOLDER, OURS, SERVICES, program, variables

CONFIGS = {"gateway": GatewayConfig, "worker": WorkerConfig, "recommender": RecommenderConfig, "events": EventsConfig}
DOCKERFILES = sorted(FOLDER.glob("*.Dockerfile"))
# What a container's place decides, and not who runs it: set in the container image, or not of use in one.
OF_THE_IMAGE = {
    "gateway": {"host", "port"},
    "worker": {"runtime", "weights", "labels", "scaling", "artifact_cache", "metrics_port"},
    "recommender": {"host", "port", "cache", "upload_timeout_s", "answer_timeout_s", "send_timeout_s",
                    "shutdown_timeout_s", "api_keys_sha256", "cors_origins", "rate_limit", "rate_limit_storage"},
    "events": set(),
}  # fmt: skip

per_service = pytest.mark.parametrize("name", SERVICES)
per_dockerfile = pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_service_is_given_settings_that_its_config_has_and_all_of_them(name: str):
    settings = {field.name for field in fields(CONFIGS[name])}
    given = {key.removesuffix("_FILE").lower() for key in SERVICES[name]["environment"]} - {"aws_region"}

    assert sorted(given - settings) == [], f"{name} knows no such setting"
    assert sorted(settings - given - OF_THE_IMAGE[name]) == [], f"{name} cannot be told these from outside"


def test_every_variable_is_told_in_the_example_and_no_other():
    told = re.findall(r"^# ([A-Z0-9_]+)=", (FOLDER / ".env.example").read_text(), re.MULTILINE)

    assert len(told) == len({*told})
    assert sorted({*told} ^ variables()) == []


def test_the_example_shows_the_defaults_of_compose():
    shown = dict(re.findall(r"^# ([A-Z0-9_]+)=(.+)$", (FOLDER / ".env.example").read_text(), re.MULTILINE))
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]+)\}", (FOLDER / "compose.yaml").read_text()))

    assert shown == defaults


@per_service
def test_every_service_has_an_end_to_what_it_may_use(name: str):
    limits = SERVICES[name]["deploy"]["resources"]["limits"]

    assert {"cpus", "memory", "pids"} <= {*limits}
    assert SERVICES[name]["logging"]["options"] == {"max-size": "10m", "max-file": "3"}


@per_service
def test_every_service_is_hardened(name: str):
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert name in OURS or re.fullmatch(r"\d+:\d+", service["user"]), "not root"


@per_service
def test_only_the_front_end_is_reached_from_outside_and_dashboards_from_this_machine(name: str):
    published = SERVICES[name].get("ports", [])

    assert bool(published) == (name in {"frontend", "grafana"})
    assert all(port.startswith(("${BIND:-127.0.0.1}:", "127.0.0.1:")) for port in published)


@per_service
def test_no_password_stands_in_the_environment(name: str):
    secret = re.compile("PASSWORD|SECRET|TOKEN|^REDIS_URL$")

    told = [key for key in SERVICES[name].get("environment", {}) if secret.search(key) and not key.endswith("_FILE")]

    assert told == []


def test_who_is_needed_is_waited_for():
    assert SERVICES["frontend"]["depends_on"] == {"gateway": {"condition": "service_healthy"}}
    assert SERVICES["gateway"]["depends_on"]["worker"] == {"condition": "service_healthy"}
    assert all(
        SERVICES[name]["depends_on"]["redis"] == {"condition": "service_healthy"}
        for name in ("gateway", "worker", "recommender", "events")
    )


def test_compose_itself_reads_it(tmp_path: Path):
    read = subprocess.run(
        [program("docker-compose"), "-f", FOLDER / "compose.yaml", "--profile", "*", "config", "--quiet"],
        env={"TAG": "0123456789ab", "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (read.returncode, read.stderr) == (0, "")


def test_it_is_as_the_specification_of_compose_has_it():
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]

    checked = subprocess.run([*check, FOLDER / "compose.yaml"], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout


def test_without_a_tag_nothing_is_started(tmp_path: Path):
    read = subprocess.run(
        [program("docker-compose"), "-f", FOLDER / "compose.yaml", "config", "--quiet"],
        env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert read.returncode != 0
    assert "TAG" in read.stderr


@per_dockerfile
def test_a_linter_of_dockerfiles_finds_nothing(path: Path):
    # DL3008, DL3013: versions are pinned in shared/constraints.txt; Debian's are those of the base.
    ignored = ["--ignore", "DL3008", "--ignore", "DL3013", "--ignore", "DL3042"]

    linted = subprocess.run([program("hadolint"), *ignored, path], capture_output=True, text=True, check=False)

    assert (linted.returncode, linted.stdout) == (0, "")


@per_dockerfile
def test_it_is_built_by_every_docker(path: Path):
    text = path.read_text()

    assert "syntax=" not in text
    assert "--mount" not in text
    assert "<<" not in text
    assert not re.search(r"^(ENTRYPOINT|CMD|HEALTHCHECK .*CMD) (?!\[|.*\\$)", text, re.MULTILINE), "exec form only"


def test_bases_are_pinned_and_the_same_everywhere():
    bases = {name: set() for name in ("PYTHON_IMAGE", "NGINX_IMAGE", "EXPORTER_IMAGE")}
    for path in DOCKERFILES:
        for name, value in re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", path.read_text(), re.MULTILINE):
            bases[name].add(value)
        assert {*re.findall(r"^FROM (\S+)", path.read_text(), re.MULTILINE)} <= {
            *(f"${{{name}}}" for name in bases), "scratch"
        }  # fmt: skip
    images = [base for found in bases.values() for base in found] + [
        service["image"] for name, service in SERVICES.items() if name not in OURS
    ]

    assert all(len(found) == 1 for found in bases.values())
    assert [image for image in images if re.search(r":(latest|stable)?}?$", image) or ":" not in image] == []


def test_nginx_sends_the_headers_of_the_gateway():
    sent = dict(
        re.findall(
            r'^add_header (\S+) "?(.*?)"? always;$', (FOLDER / "frontend/headers.conf").read_text(), re.MULTILINE
        )
    )

    assert sent == SECURITY_HEADERS


def test_nginx_waits_longer_than_the_gateway_and_takes_what_the_gateway_takes():
    nginx = (FOLDER / "frontend/nginx.conf").read_text() + (FOLDER / "frontend/proxy.conf").read_text()
    read, send, shutdown, body = (
        int(re.search(rf"^\s*{name} (\d+)[sm];", nginx, re.MULTILINE)[1])
        for name in ("proxy_read_timeout", "proxy_send_timeout", "worker_shutdown_timeout", "client_max_body_size")
    )
    gateway = GatewayConfig()

    assert gateway.answer_timeout_s < read < shutdown < seconds(SERVICES["frontend"]["stop_grace_period"])
    assert gateway.upload_timeout_s < send
    assert gateway.shutdown_timeout_s < seconds(SERVICES["gateway"]["stop_grace_period"])
    assert body * 2**20 == gateway.max_body_bytes


def test_what_nginx_says_by_itself_has_the_form_of_the_gateways_problems():
    said = re.findall(r"return (\d+) '(\{.*?\})\\n';", (FOLDER / "frontend/nginx.conf").read_text())

    assert [status for status, _ in said] == ["404", "413", "503"]
    for status, text in said:
        assert re.findall(r'"(\w+)":', text) == ["type", "title", "status", "code", "detail", "remedy", "trace_id"]
        assert f'"status":{status},' in text


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))
