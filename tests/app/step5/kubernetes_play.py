"""The local overlay's Pods as one Pod for `podman kube play`: the same containers under the same limits and rights.

Podman knows neither Services nor the claims and secrets of a cluster. So the containers share one network, in which all
are at 127.0.0.1, and files come from a folder of the test.
"""

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
import yaml

from step5_orchestration.deploy.gke.manifests import Manifest, containers, pod_of
from tests.app.serving import free_port
from tests.app.step5.kubernetes_rendered import named, of

TOGETHER = ("redis", "worker", "recommender", "gateway")
POD = "classifier-play"
REDIS = "redis:7.4-bookworm"
PASSWORD = "only-for-this-test"  # noqa: S105
# crun refuses the older kind of cgroups, and Podman asks for more open files than a container may have.
SETTINGS = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
"""


@dataclass(frozen=True)
class Podman:
    """Podman with settings of its own."""

    settings: Path

    def run(
        self, *arguments: str, check: bool = True, timeout_s: float = 300, stdin: IO[bytes] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {"CONTAINERS_CONF": str(self.settings)}
        done = subprocess.run(
            ["podman", *arguments],
            env=environment,
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
        assert done.returncode == 0 or not check, f"podman {' '.join(arguments)}\n{done.stdout}{done.stderr}"
        return done

    def state(self, container: str) -> dict[str, Any]:
        (found,) = json.loads(self.run("inspect", f"{POD}-{container}").stdout)
        return dict(found)

    def fetch(self, images: Iterable[str]) -> None:
        """Take container images over from Docker, all at once: what they share is then copied once."""
        here = {
            image: self.run("image", "inspect", "--format", "{{.Id}}", here_named(image), check=False)
            for image in images
        }
        missing = [image for image, found in here.items() if found.stdout.strip() != docker_id(image)]
        if missing:
            with subprocess.Popen(["docker", "save", *missing], stdout=subprocess.PIPE) as saved:
                self.run("load", "--quiet", stdin=saved.stdout)

    def forget_others(self, images: Iterable[str]) -> None:
        """Remove what earlier tests have taken over."""
        listed = self.run(
            "images", "--filter", "reference=localhost/classifier/*", "--format", "{{.Repository}}:{{.Tag}}"
        )
        others = {*listed.stdout.split()} - {here_named(image) for image in images}
        if others:
            self.run("rmi", *others, check=False)


def here_named(image: str) -> str:
    return f"localhost/{image}"


def docker_id(image: str) -> str:
    """The identity of a container image that Docker has. Skips where it has none."""
    command = ["docker", "image", "inspect", "--format", "{{.Id}}", image]
    docker = subprocess.run(command, capture_output=True, text=True, check=False)
    if docker.returncode:
        pytest.skip(f"Docker has no container image {image}: make images")
    return docker.stdout.strip().removeprefix("sha256:")


def podman_or_skip(folder: Path) -> Podman:
    for program in ("podman", "docker", "catatonit", "iptables"):  # the last two are what podman makes Pods with
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    if os.getuid() != 0:
        pytest.skip("limits of memory need podman as root here")
    settings = folder / "containers.conf"
    settings.write_text(SETTINGS.format(files=min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 65536)))
    podman = Podman(settings)
    tried = podman.run("info", check=False)
    if tried.returncode:
        pytest.skip(f"podman does not work here: {tried.stderr.strip()}")
    return podman


def newest_tag() -> str:
    """The tag that was last given to all of our container images. Skips where there is none."""
    tags = [tags_of(name) for name in TOGETHER if name != "redis"]
    for tag in tags[0]:
        if all(tag in others for others in tags):
            return tag
    pytest.skip("Docker has no container images of all services under one tag: make images")


def tags_of(name: str) -> list[str]:
    """The newest first."""
    command = ["docker", "images", f"classifier/{name}", "--format", "{{.Tag}}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()


@contextmanager
def played(folder: Path) -> Iterator[tuple[Podman, str]]:
    """Play it; yield podman, and where the gateway is. All of it is removed in the end."""
    podman, port = podman_or_skip(folder), free_port()
    tag = newest_tag()
    images = {name: f"classifier/{name}:{tag}" for name in TOGETHER} | {"redis": REDIS}
    podman.fetch(images.values())
    podman.forget_others(images.values())
    play = folder / "play.yaml"
    play.write_text(yaml.safe_dump_all([*of("local", "ConfigMap"), one_pod(images, folder, port)]))
    try:
        podman.run("kube", "play", str(play))
        yield podman, f"http://127.0.0.1:{port}"
    finally:
        podman.run("pod", "rm", "--force", "--time", "1", POD, check=False)


def one_pod(images: dict[str, str], folder: Path, port: int) -> Manifest:
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "containers": [],
        "volumes": [],
        "terminationGracePeriodSeconds": 75,
    }
    for name in TOGETHER:
        workload = named("local", "StatefulSet" if name == "redis" else "Deployment", name)
        (container,) = containers(workload)
        of_pod = pod_of(workload)["securityContext"]
        both = {key: of_pod[key] for key in ("runAsUser", "runAsGroup", "runAsNonRoot", "seccompProfile")}
        ours = {key: container[key] for key in ("envFrom", "command", "args", "resources") if key in container}
        mounts = [_mount(name, one, folder, of_pod["runAsUser"]) for one in container["volumeMounts"]]
        here = {
            **ours,
            "name": name,
            "image": here_named(images[name]),
            "imagePullPolicy": "Never",
            "securityContext": {**both, **container["securityContext"]},
            "volumeMounts": [mount for mount, _ in mounts],
        }
        if name == "gateway":
            here["env"] = [{"name": "RECOMMENDER_URL", "value": "http://127.0.0.1:8010"}]
            here["ports"] = [{"containerPort": 8000, "hostPort": port, "hostIP": "127.0.0.1"}]
        spec["containers"].append(here)
        spec["volumes"] += [volume for _, volume in mounts]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": POD}, "spec": spec}


def _mount(container: str, mount: dict[str, Any], folder: Path, user: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A mount of a container, and the file or folder of the test that is behind it."""
    path = folder / container / mount["name"]
    is_file = "subPath" in mount
    if is_file:
        path = path / mount["subPath"]
        path.parent.mkdir(parents=True, exist_ok=True)
        maps = [one["data"] for one in of("local", "ConfigMap") if mount["subPath"] in one["data"]]
        path.write_text(maps[0][mount["subPath"]])
    else:
        path.mkdir(parents=True, exist_ok=True)
    if mount["name"] == "secrets":
        (path / "redis_url").write_text(f"redis://:{PASSWORD}@127.0.0.1:6379/0\n")
        (path / "redis_auth").write_text(f"requirepass {PASSWORD}\n")
    os.chown(path, user, user)
    for above in (folder, folder.parent):
        above.chmod(above.stat().st_mode | 0o011)
    name = f"{container}-{mount['name']}"
    volume = {"name": name, "hostPath": {"path": str(path), "type": "File" if is_file else "Directory"}}
    return {"name": name, "mountPath": mount["mountPath"], "readOnly": mount.get("readOnly", False)}, volume
