"""The bundle: what is in it, and that the two platforms get the same system."""

import io
import json
import os
import re
import shutil
import stat
import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml

from step5_orchestration.deploy.container_images import ContainerImages
from step5_orchestration.deploy.elastic_beanstalk.bundle import GIVEN, Bundle, bundle_files, make_bundle, unpack
from step5_orchestration.deploy.elastic_beanstalk.compose import COMPOSE
from step5_orchestration.deploy.errors import ConfigurationError, ContainerImagesError
from tests.app.step4.compose_file import program
from tests.app.step5.eb_account import FIRST, NAMES, SECOND, wanted
from tests.repo.checkout import ROOT

REDIS = {"REDIS_URL": "rediss://:secret@cache.example:6379/0"}


def compose(**other: object) -> dict:
    return yaml.safe_load(bundle_files(wanted(**other), FIRST)["docker-compose.yml"])


def dockerrun(**other: object) -> dict:
    return yaml.safe_load(bundle_files(wanted(platform="ecs", **other), FIRST)["Dockerrun.aws.json"])


def containers(**other: object) -> dict[str, dict]:
    return {one["name"]: one for one in dockerrun(**other)["containerDefinitions"]}


def entries(bundle: Bundle) -> dict[str, zipfile.ZipInfo]:
    return {entry.filename: entry for entry in zipfile.ZipFile(io.BytesIO(bundle.contents)).infolist()}


def step4() -> dict:
    return yaml.safe_load(COMPOSE.read_text())


def changed(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    """Return a copy of step 4's file in which these texts are replaced."""
    text = COMPOSE.read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    shutil.copy(COMPOSE.with_name("redis.conf"), tmp_path)
    path = tmp_path / "compose.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("platform", ["docker", "ecs"])
def test_the_same_contents_are_the_same_bytes_and_the_same_version(platform):
    first, again = make_bundle(wanted(platform=platform), FIRST), make_bundle(wanted(platform=platform), FIRST)

    assert first.contents == again.contents
    assert first.label == again.label


def test_every_difference_is_another_version():
    labels = {
        make_bundle(wanted(**other), images).label
        for other in ({}, {"platform": "ecs"}, {"settings": REDIS}, {"deployment_policy": "Immutable"})
        for images in (FIRST, SECOND)
    }

    assert len(labels) == 8


def test_times_and_modes_do_not_depend_on_the_machine():
    found = entries(make_bundle(wanted(), FIRST))

    assert {entry.date_time for entry in found.values()} == {(1980, 1, 1, 0, 0, 0)}
    modes = {name: oct(entry.external_attr >> 16 & 0o777) for name, entry in found.items()}
    assert {name for name, mode in modes.items() if mode == "0o755"} == {name for name in modes if name.endswith(".sh")}
    assert {*modes.values()} == {"0o755", "0o644"}


def test_what_beanstalk_reads_is_at_the_top():
    found = entries(make_bundle(wanted(), FIRST))

    assert "docker-compose.yml" in found
    assert "Dockerrun.aws.json" not in found
    assert all(not entry.is_dir() for entry in found.values())


def test_every_service_that_is_not_optional_is_in_it():
    always = {name for name, service in step4()["services"].items() if "profiles" not in service}

    assert {*compose()["services"]} == {*containers()} == always


def test_our_container_images_are_named_by_digest():
    for services in (compose()["services"], containers()):
        named = {name: service["image"] for name, service in services.items()}

        assert named.pop("redis") == "redis:7.4-bookworm"
        assert {name for name, image in named.items() if not re.search("@sha256:[0-9a-f]{64}$", image)} == set()


def test_only_the_front_end_is_reached_from_outside_on_port_80():
    ports = {name: service["ports"] for name, service in compose()["services"].items() if "ports" in service}
    mappings = {name: one["portMappings"] for name, one in containers().items() if "portMappings" in one}

    assert ports == {"frontend": ["80:8080"]}
    assert mappings == {"frontend": [{"hostPort": 80, "containerPort": 8080}]}


def test_memory_limits_are_those_of_step_4():
    limits = {
        name: service["deploy"]["resources"]["limits"]["memory"] for name, service in compose()["services"].items()
    }
    filled = {name: re.sub(r"\$\{\w+:-(\w+)\}", r"\1", limit) for name, limit in limits.items()}

    assert {name: f"{one['memory']}M" for name, one in containers().items()} == filled
    assert filled["frontend"] == "64M"


def test_a_larger_limit_reaches_ecs_too():
    assert containers(settings={"GATEWAY_MEMORY": "256M"})["gateway"]["memory"] == 256


def test_containers_keep_their_restrictions_on_ecs():
    for container in containers().values():
        assert container["readonlyRootFilesystem"]
        assert container["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
        assert container["dockerSecurityOptions"] == ["no-new-privileges"]


def test_whoever_is_asked_by_name_is_linked():
    linked = {name: one["links"] for name, one in containers().items()}

    assert linked["frontend"] == ["gateway"]
    assert {"redis", "recommender"} <= {*linked["gateway"]}
    assert linked["worker"] == linked["events"] == ["redis"]


def test_no_link_leads_in_a_circle():
    linked = {name: {*one["links"]} for name, one in containers().items()}

    while linked:
        free = {name for name, others in linked.items() if not others}
        assert free, f"these wait for each other: {linked}"
        linked = {name: others - free for name, others in linked.items() if name not in free}


def test_stopping_takes_no_longer_than_ecs_allows():
    times = {name: one["stopTimeout"] for name, one in containers().items()}

    assert max(times.values()) <= 120
    assert times["gateway"] == 45


@pytest.mark.parametrize("other", [{}, {"settings": REDIS, "max_instances": 3}])
def test_the_gateway_trusts_as_many_proxies_as_there_are(other):
    expected = "2" if other else "1"

    assert compose(**other)["services"]["gateway"]["environment"]["TRUSTED_PROXIES"] == expected
    assert {"name": "TRUSTED_PROXIES", "value": expected} in containers(**other)["gateway"]["environment"]


def test_a_redis_elsewhere_leaves_none_in_the_bundle():
    found = compose(settings=REDIS)

    assert "redis" not in found["services"]
    assert "redis" not in containers(settings=REDIS)
    assert "redis.conf" not in bundle_files(wanted(settings=REDIS), FIRST)
    assert all("redis" not in service.get("depends_on", {}) for service in found["services"].values())
    assert {*found["secrets"]} == {"redis_url"}
    assert {*found["volumes"]} == {"analytics", "lists"}


def test_those_behind_the_gateway_reach_out_only_where_they_have_to():
    reaches_out = {"s3": {"ARTIFACTS": "s3://models/inception_v3"}, "redis": REDIS}

    assert compose()["networks"]["back"] == {"internal": True}
    for settings in reaches_out.values():
        assert compose(settings=settings)["networks"]["back"] == {"internal": False}


def test_no_secret_is_in_the_bundle():
    settings = REDIS | {"API_KEYS_SHA256": "5ec4e7"}

    for platform in ("docker", "ecs"):
        everything = b"".join(bundle_files(wanted(platform=platform, settings=settings), FIRST).values())
        assert b"secret@" not in everything
        assert b"5ec4e7" not in everything


def test_secrets_are_files_that_the_hook_writes():
    for secret in compose()["secrets"].values():
        assert secret["file"].startswith("/var/lib/classifier/secrets/")


def test_what_is_set_on_beanstalk_is_left_to_it_on_ecs():
    given = {one["name"] for one in containers(settings={"WEB_PROCESSES": "2"})["gateway"]["environment"]}

    assert "WEB_PROCESSES" not in given
    assert "WEB_PROCESSES" in {one["name"] for one in containers()["gateway"]["environment"]}


def test_a_setting_that_no_service_has_is_refused():
    with pytest.raises(ConfigurationError, match="No service has a setting WEB_PROCESES") as failure:
        make_bundle(wanted(settings={"WEB_PROCESES": "2"}), FIRST)

    assert "WEB_PROCESSES" in failure.value.remedy


def test_the_port_is_not_to_be_set():
    with pytest.raises(ConfigurationError, match="No service has a setting PORT"):
        make_bundle(wanted(settings={"PORT": "9000"}), FIRST)


def test_a_push_without_one_of_the_images_is_refused():
    with pytest.raises(ContainerImagesError, match="no container image 'worker'"):
        make_bundle(
            wanted(), ContainerImages(FIRST.revision, {name: FIRST[name] for name in NAMES if name != "worker"})
        )


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        ("cap_drop: [ALL]", "cap_drop: [NET_RAW]", "cap_drop"),
        ("read_only: true", "read_only: false", "read_only"),
        ("redis:7.4-bookworm", "redis:latest", "image"),
        ('user: "999:999"', 'user: "0:0"', "user"),
        ("networks: [front]", "networks: [front]\n    privileged: true", "frontend"),
    ],
)
def test_a_compose_file_that_allows_too_much_is_refused(tmp_path, before, after, where):
    with pytest.raises(ConfigurationError, match=f"docker-compose is wrong at .*{where}"):
        make_bundle(wanted(), FIRST, changed(tmp_path, (before, after)))


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("memory: 64M", "memory: lots", "'lots' is no amount of memory"),
        ("stop_grace_period: 55s", "stop_grace_period: 2m", "'2m' is no time"),
        (
            "stop_grace_period: 55s",
            "stop_grace_period: 130s",
            "dockerrun-v2 is wrong at containerDefinitions/0/stopTimeout",
        ),
    ],
)
def test_what_ecs_cannot_do_is_refused(tmp_path, before, after, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        make_bundle(wanted(platform="ecs"), FIRST, changed(tmp_path, (before, after)))


def test_an_env_file_is_refused(tmp_path):
    given = tmp_path / "bundle"
    shutil.copytree(GIVEN, given)
    (given / "always" / ".env").write_text("A=1\n")

    with pytest.raises(ConfigurationError, match=r"There is \.env for the bundle"):
        make_bundle(wanted(), FIRST, given=given)


@pytest.mark.parametrize("platform", ["docker", "ecs"])
@pytest.mark.parametrize("other", [{}, {"settings": REDIS, "max_instances": 2}])
def test_extensions_are_option_settings_files_and_commands(platform, other):
    files = bundle_files(wanted(platform=platform, **other), FIRST)
    configs = {name: yaml.safe_load(text) for name, text in files.items() if name.startswith(".ebextensions/")}

    assert len(configs) >= 4
    assert {key for config in configs.values() for key in config} <= {"option_settings", "files", "commands"}
    assert all(name.endswith(".config") for name in configs)


def options(**other: object) -> dict[str, dict]:
    """The options of all extensions of a bundle, by namespace."""
    found: dict[str, dict] = {}
    for name, text in bundle_files(wanted(**other), FIRST).items():
        if name.startswith(".ebextensions/"):
            for space, values in yaml.safe_load(text).get("option_settings", {}).items():
                found.setdefault(space, {}).update(values)
    return found


def test_health_is_enhanced_logs_are_streamed_and_metadata_needs_a_token():
    found = options()

    assert found["aws:elasticbeanstalk:healthreporting:system"] == {"SystemType": "enhanced"}
    assert found["aws:elasticbeanstalk:cloudwatch:logs"]["StreamLogs"] is True
    assert found["aws:autoscaling:launchconfiguration"] == {"DisableIMDSv1": True}


@pytest.mark.parametrize(
    ("other", "policy"),
    [
        ({}, "AllAtOnce"),
        ({"settings": REDIS}, "Immutable"),
        ({"settings": REDIS, "max_instances": 2, "deployment_policy": "Rolling"}, "Rolling"),
        ({"deployment_policy": "Immutable"}, "Immutable"),
    ],
)
def test_instances_are_replaced_only_where_nothing_is_lost_with_them_or_it_was_asked_for(other, policy):
    assert options(**other)["aws:elasticbeanstalk:command"]["DeploymentPolicy"] == policy


def test_a_single_instance_has_no_options_of_a_load_balancer():
    assert not any(space.startswith("aws:elbv2") for space in options())
    assert "aws:elbv2:loadbalancer" in options(settings=REDIS, max_instances=2)


def test_the_load_balancer_waits_longer_than_nginx_and_nginx_longer_than_the_gateway():
    idle = options(settings=REDIS, max_instances=2)["aws:elbv2:loadbalancer"]["IdleTimeout"]
    nginx = re.search(r"proxy_read_timeout (\d+)s", (ROOT / "step4_docker/frontend/proxy.conf").read_text())
    gateway = re.search(
        r"answer_timeout_s: Seconds = (\d+)", (ROOT / "step3_microservices/gateway/config.py").read_text()
    )

    assert idle > int(nginx[1]) > int(gateway[1])


def test_instances_patch_themselves_only_where_their_queue_is_elsewhere():
    assert "aws:elasticbeanstalk:managedactions" not in options()
    assert options(settings=REDIS)["aws:elasticbeanstalk:managedactions"]["ManagedActionsEnabled"] is True


def test_each_place_that_a_container_writes_to_is_made_for_its_user():
    files = bundle_files(wanted(platform="ecs"), FIRST)
    places = yaml.safe_load(files[".ebextensions/directories.config"])["files"]["/etc/tmpfiles.d/classifier.conf"][
        "content"
    ]
    made = {line.split()[1] for line in places.splitlines()}
    sources = {volume["host"]["sourcePath"] for volume in dockerrun()["volumes"]}

    assert {source for source in sources if not source.startswith("/var/app/current/")} <= made


def test_each_file_that_is_mounted_is_in_the_bundle():
    for platform in ("docker", "ecs"):
        files = bundle_files(wanted(platform=platform), FIRST)
        mounted = {"frontend/healthd.conf", "redis.conf"} | ({"frontend/upstream.conf"} if platform == "ecs" else set())
        assert mounted <= {*files}
    paths = {volume["host"]["sourcePath"].removeprefix("/var/app/current/") for volume in dockerrun()["volumes"]}
    assert mounted <= paths


def test_the_front_end_writes_the_log_where_the_health_agent_looks():
    text = bundle_files(wanted(), FIRST)["frontend/healthd.conf"].decode()

    assert """'$msec"$uri"$status"$request_time"$upstream_response_time"$http_x_forwarded_for'""" in text
    assert "access_log /var/log/nginx/healthd/application.log.$hour healthd;" in text
    assert "/var/log/nginx/healthd:/var/log/nginx/healthd" in compose()["services"]["frontend"]["volumes"]


def test_unpacking_gives_programs_their_mode_and_refuses_a_folder_that_is_in_use(tmp_path):
    bundle = make_bundle(wanted(), FIRST)

    paths = unpack(bundle, tmp_path / "new")

    assert (tmp_path / "new/docker-compose.yml") in paths
    assert (tmp_path / "new/.platform/hooks/predeploy/secrets.sh").stat().st_mode & stat.S_IXUSR
    with pytest.raises(ConfigurationError, match="is not empty"):
        unpack(bundle, tmp_path / "new")


@pytest.fixture
def instance(tmp_path):
    """Run the hook as an instance would, with these settings on Beanstalk; return the secrets by name."""
    get_config = tmp_path / "get-config"
    get_config.write_text('#!/bin/sh\n[ -n "$REDIS_ON_BEANSTALK" ] && printf %s "$REDIS_ON_BEANSTALK"\n')
    get_config.chmod(0o755)
    secrets = tmp_path / "secrets"
    bundle = unpack(make_bundle(wanted(), FIRST), tmp_path / "app") and tmp_path / "app"

    def deploy(redis_url: str = "", *, hooks: str = "hooks") -> dict[str, str]:
        subprocess.run(
            [bundle / ".platform" / hooks / "predeploy" / "secrets.sh"],
            env=os.environ | {"SECRETS": str(secrets), "GET_CONFIG": str(get_config), "REDIS_ON_BEANSTALK": redis_url},
            check=True,
        )
        assert all(path.stat().st_mode & 0o077 == 0 for path in secrets.iterdir())
        return {path.name: path.read_text() for path in secrets.iterdir()}

    return deploy


def test_the_hook_makes_a_password_once_and_keeps_it(instance):
    first, again = instance(), instance(hooks="confighooks")

    password = re.fullmatch(r"requirepass ([0-9a-f]{64})\n", first["redis_auth"])[1]
    assert first == again == {"redis_auth": first["redis_auth"], "redis_url": f"redis://:{password}@redis:6379/0"}


def test_the_hook_takes_the_redis_that_is_set_and_leaves_it_again(instance):
    first = instance()

    assert instance("rediss://cache.example:6379/0")["redis_url"] == "rediss://cache.example:6379/0"
    assert instance() == first


@pytest.fixture
def understood(tmp_path):
    """Unpack a bundle, lay Beanstalk's settings beside it, and return what Compose makes of it."""

    def read(**other: object) -> dict:
        deployment, folder = wanted(**other), tmp_path / "current"
        unpack(make_bundle(deployment, FIRST), folder)
        (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in deployment.settings.items()))
        command = [program("docker-compose"), "config", "--format", "json"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)["services"]

    return read


@pytest.mark.parametrize("other", [{}, {"settings": REDIS, "max_instances": 2}])
def test_compose_itself_accepts_the_file(understood, other):
    assert {"frontend", "gateway", "worker", "recommender", "events"} <= {*understood(**other)}


def test_settings_arrive_where_they_belong_and_nowhere_else(understood):
    settings = {"WEB_PROCESSES": "2", "GATEWAY_MEMORY": "256M", "RATE_LIMIT": "5/second", "THREADS": "8"}

    services = understood(settings=settings)

    gateway = services["gateway"]["environment"]
    assert (gateway["WEB_PROCESSES"], gateway["RATE_LIMIT"], gateway["THREADS"]) == ("2", "5/second", "8")
    assert services["gateway"]["deploy"]["resources"]["limits"]["memory"] == str(256 * 1024 * 1024)
    assert services["recommender"]["environment"]["WEB_PROCESSES"] == "1"
    assert not services["recommender"]["environment"]["THREADS"]
