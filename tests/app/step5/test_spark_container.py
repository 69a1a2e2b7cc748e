"""What the container image for Spark on Kubernetes is made of; `test_spark_container_runs` builds it."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from step5_orchestration.deploy.spark.commands import IN_CONTAINER
from step5_orchestration.deploy.spark.parameters import PARAMETERS
from tests.app.step4.docker_host import bases
from tests.repo.checkout import ROOT

FOLDER = ROOT / "step5_orchestration/spark"
EXECUTOR = {
    "SPARK_HOME": "/opt/venv/spark",
    "SPARK_CONF_DIR": "/opt/spark/conf",
    "SPARK_EXECUTOR_MEMORY": "12g",
    "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@driver:7078",
    "SPARK_EXECUTOR_ID": "3",
    "SPARK_EXECUTOR_CORES": "4",
    "SPARK_APPLICATION_ID": "spark-0123",
    "SPARK_EXECUTOR_POD_IP": "10.0.0.7",
    "SPARK_RESOURCE_PROFILE_ID": "0",
    "SPARK_EXECUTOR_POD_NAME": "recommender-exec-3",
    "SPARK_JAVA_OPT_0": "-Dspark.driver.port=7078",
    "SPARK_JAVA_OPT_1": "--add-opens=java.base/java.nio=ALL-UNNAMED",
}


def lint(program: str, file: Path) -> str:
    beside_python = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    found = shutil.which(program, path=beside_python)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return subprocess.run([found, str(file)], capture_output=True, text=True, check=False).stdout


def started(tmp_path: Path, *arguments: str) -> tuple[str, list[str]]:
    """Run the entry point where Java and spark-submit only tell what they were asked."""
    for name in ("java", "spark-submit"):
        program = tmp_path / name
        program.write_text('#!/bin/sh\nbasename "$0"; printf "%s\\n" "$@"\n')
        program.chmod(0o755)
    variables = EXECUTOR | {"PATH": f"{tmp_path}:/usr/bin:/bin", "SPARK_DRIVER_BIND_ADDRESS": "10.0.0.5"}
    command = [str(FOLDER / "entrypoint.sh"), *arguments]
    run = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    program, *asked = run.stdout.splitlines() or [run.stderr]
    return program, asked


def test_the_dockerfile_is_good_style():
    assert lint("hadolint", FOLDER / "Dockerfile") == ""


def test_the_entry_point_is_good_style():
    assert lint("shellcheck", FOLDER / "entrypoint.sh") == ""


def test_every_builder_can_build_it():
    text = (FOLDER / "Dockerfile").read_text()

    assert not re.search(r"^# syntax=|--mount=|--link|<<", text, re.MULTILINE)


def test_it_stands_on_the_same_python_as_step_4():
    base = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", (FOLDER / "Dockerfile").read_text(), re.MULTILINE)

    assert base
    assert base[1] in bases()


def test_it_holds_the_programs_where_the_command_line_looks_for_them():
    text = (FOLDER / "Dockerfile").read_text()

    assert "WORKDIR /app" in text
    assert IN_CONTAINER.removeprefix("local:///app/") in text
    assert (ROOT / IN_CONTAINER.removeprefix("local:///app/")).is_file()


def test_it_holds_the_java_that_spark_runs_in_and_is_nobody_special():
    text = (FOLDER / "Dockerfile").read_text()

    assert "openjdk-17-jre-headless" in text
    assert "USER 10001:10001" in text


def test_the_build_context_has_all_that_it_copies():
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (FOLDER / "Dockerfile").read_text(), re.MULTILINE)
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]

    sources = [source for one in copied for source in one.split()]
    assert [source for source in sources if not any(source.startswith(start) for start in allowed)] == []


@pytest.mark.parametrize("name", ["kubernetes.yaml", "pod.yaml"])
def test_the_manifests_keep_to_the_schemas_of_kubernetes(name: str):
    for manifest in yaml.safe_load_all((FOLDER / name).read_text()):
        kubernetes_validate.validate(manifest, "1.33", strict=True)


def test_the_parameters_name_what_the_manifests_make():
    made = {
        (one["kind"], one["metadata"]["name"]) for one in yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())
    }
    kubernetes = tomllib.loads((ROOT / PARAMETERS).read_text())["kubernetes"]

    assert {("Namespace", kubernetes["namespace"]), ("ServiceAccount", kubernetes["service_account"])} <= made
    assert (ROOT / kubernetes["spark"]["spark.kubernetes.driver.podTemplateFile"]).is_file()


def test_an_executor_starts_with_all_that_spark_says_in_variables(tmp_path: Path):
    program, asked = started(tmp_path, "executor")

    assert program == "java"
    assert asked[:4] == [EXECUTOR["SPARK_JAVA_OPT_0"], EXECUTOR["SPARK_JAVA_OPT_1"], "-Xms12g", "-Xmx12g"]
    assert asked[4:6] == ["-cp", "/opt/spark/conf:/opt/venv/spark/jars/*"]
    options = dict(zip(asked[7::2], asked[8::2], strict=True))
    assert options == {
        "--driver-url": EXECUTOR["SPARK_DRIVER_URL"],
        "--executor-id": "3",
        "--cores": "4",
        "--app-id": "spark-0123",
        "--hostname": "10.0.0.7",
        "--resourceProfileId": "0",
        "--podName": "recommender-exec-3",
    }


def test_a_driver_starts_what_was_submitted(tmp_path: Path):
    program, asked = started(tmp_path, "driver", "--properties-file", "/opt/spark/conf/spark.properties", IN_CONTAINER)

    assert program == "spark-submit"
    assert asked == [
        *("--deploy-mode", "client", "--conf", "spark.driver.bindAddress=10.0.0.5"),
        *("--properties-file", "/opt/spark/conf/spark.properties", IN_CONTAINER),
    ]


def test_anything_else_is_told_how_to_submit(tmp_path: Path):
    told, _ = started(tmp_path, "bash")

    assert "--on kubernetes" in told
