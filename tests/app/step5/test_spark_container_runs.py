"""The container image for Spark on Kubernetes, built, and run as the Pod that Spark itself asks a cluster for."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from docker import DockerClient

from step4_docker.container_images.catalogue import local_name
from step5_orchestration.deploy.__main__ import main
from step5_orchestration.deploy.spark.parameters import PARAMETERS
from tests.app.step4.docker_host import REVISION
from tests.app.step5.kubernetes_api import Cluster, Object, Server
from tests.app.step5.kubernetes_kinds import KINDS
from tests.app.step5.pod_in_docker import HERE, in_docker
from tests.app.step5.test_spark_container import EXECUTOR, FOLDER
from tests.model.recommender_spark import what_spark_lacks
from tests.repo.checkout import ROOT
from tests.small_servers import answering

TEMPORARY = "/tmp"  # noqa: S108 - in a container
DAYS = ["day=2026-09-01", "day=2026-09-02"]
# A folder in place of a bucket, and a small job that is not waited for.
CHANGES = {
    "s3a://YOUR-BUCKET": "file:///bucket",
    "YOUR-TEAM": "our-team",
    "YOUR-DIGEST": 64 * "0",
    '"spark.jars.packages"': "#",
    "[training]": "[training]\ncut = '2026-09-02'\niterations = 1\nfactors = 4\n",
    "[kubernetes.spark]": """[kubernetes.spark]
"spark.driver.memory" = "700m"
"spark.sql.shuffle.partitions" = "2"
"spark.driver.extraJavaOptions" = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"spark.kubernetes.submission.waitAppCompletion" = "false"
""",
}

Made = dict[str, list[Object]]


@contextmanager
def cluster() -> Iterator[tuple[Cluster, str]]:
    """What the README has made once, and where the API server is."""
    kinds = {kind.kind: kind for kind in KINDS}
    cluster = Cluster()
    for one in yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text()):
        if one["kind"] in kinds:  # it knows nothing of roles
            metadata = one["metadata"]
            cluster.put(kinds[one["kind"]], metadata.get("namespace", ""), metadata["name"], one)
    with answering(Server(cluster)) as server:
        yield cluster, f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """What Spark's own client makes in a cluster to submit the job, by the plural of each kind."""
    if lack := what_spark_lacks():
        pytest.skip(lack)
    folder = tmp_path_factory.mktemp("submitted")
    with cluster() as (there, address), pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("KUBECONFIG", str(folder / "none"))
        text = PARAMETERS.read_text()
        for before, after in {**CHANGES, "https://YOUR-CLUSTER:443": address}.items():
            assert before in text
            text = text.replace(before, after)
        (folder / "parameters.toml").write_text(text)

        assert main(["spark", "submit", "--on", "kubernetes", "--parameters", str(folder / "parameters.toml")]) == 0

    found: Made = {}
    for (plural, _, _), one in there.objects.items():
        found.setdefault(plural, []).append(one)
    return found


@pytest.fixture(scope="module")
def container_image(docker_client: DockerClient) -> str:
    name = local_name("spark", REVISION.tag)
    docker_client.images.build(path=str(ROOT), dockerfile=str(FOLDER / "Dockerfile"), tag=name, rm=True)
    return name


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of logs, in a folder that everybody may write to."""
    folder = tmp_path_factory.mktemp("bucket")
    size = ["--users", "500", "--items", "200", "--days", str(len(DAYS))]
    command = [sys.executable, "-m", "step3_microservices.recommender.demo", *size, "--output", str(folder / "logs")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    folder.chmod(0o777)
    return folder


def test_the_driver_is_a_pod_of_the_restricted_standard_that_writes_nowhere_but_to_its_own_places(made: Made):
    (pod,) = made["pods"]
    (container,) = pod["spec"]["containers"]
    volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
    writable = {one["mountPath"] for one in container["volumeMounts"] if "emptyDir" in volumes[one["name"]]}
    variables = {one["name"]: one.get("value") for one in container["env"]}

    kubernetes_validate.validate(pod, "1.33", strict=True)
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert writable == {TEMPORARY, variables["SPARK_LOCAL_DIRS"]}


def test_the_driver_cleans_and_trains_in_the_container_image_with_the_rights_and_memory_of_its_pod(
    docker_client: DockerClient, container_image: str, made: Made, bucket: Path, tmp_path: Path
):
    (pod,) = made["pods"]
    settings = in_docker(pod["spec"], tmp_path, {one["metadata"]["name"]: alone(one) for one in made["configmaps"]})
    settings["volumes"][str(bucket)] = {"bind": "/bucket", "mode": "rw"}
    (service,) = [one["metadata"]["name"] for one in made["services"]]
    names = {f"{service}.{pod['metadata']['namespace']}.svc": HERE}

    container = docker_client.containers.run(container_image, detach=True, extra_hosts=names, **settings)
    try:
        code = container.wait(timeout=600)["StatusCode"]
        told = container.logs().decode()
    finally:
        container.remove(force=True)

    assert "==> clean file:///bucket/logs file:///bucket/cleaned --engine spark --master local[2]\n" in told
    assert "2 days cleaned into file:///bucket/cleaned.\n" in told
    assert sorted(path.name for path in (bucket / "cleaned/interactions").glob("day=*")) == DAYS
    assert json.loads((bucket / "report/report.json").read_text())["facts"]["rows"] > 0
    assert "Not released" in told
    assert code != 0, "a model of two days is refused, and then the Pod has failed"


def alone(config_map: Object) -> dict[str, str]:
    """Return the files of a driver that does the work of executors itself."""
    master = re.compile(r"^spark\.master=.*$", re.MULTILINE)
    return {name: master.sub("spark.master=local[2]", text) for name, text in config_map["data"].items()}


def test_an_executor_of_the_container_image_asks_for_its_driver(
    docker_client: DockerClient, container_image: str, tmp_path: Path
):
    pod = yaml.safe_load((FOLDER / "pod.yaml").read_text())["spec"]
    (container,) = pod["containers"]
    with socket.create_server((HERE, 0)) as driver:
        driver.settimeout(120)
        variables = EXECUTOR | {
            "SPARK_DRIVER_URL": f"spark://CoarseGrainedScheduler@{HERE}:{driver.getsockname()[1]}",
            "SPARK_EXECUTOR_MEMORY": "300m",
            "SPARK_EXECUTOR_POD_IP": HERE,
        }
        container |= {
            "args": ["executor"],
            "env": [{"name": name, "value": value} for name, value in variables.items()],
            "resources": {"limits": {"memory": "684Mi"}},  # as Spark reckons: 384 more than the heap
        }

        executor = docker_client.containers.run(
            container_image, detach=True, network_mode="host", **in_docker(pod, tmp_path)
        )
        try:
            with driver.accept()[0] as connection, connection.makefile("rb") as stream:
                length = int.from_bytes(stream.read(8), "big")  # of all of the message
                asked = stream.read(length - 8)
        except TimeoutError:
            pytest.fail(executor.logs().decode())
        finally:
            executor.remove(force=True)

    assert b"CoarseGrainedScheduler" in asked
