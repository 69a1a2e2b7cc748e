"""The manifests of an overlay with the container images to deploy: rendered by kubectl, in a copy of the folder."""

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from step5_orchestration.deploy.errors import ConfigurationError
from step5_orchestration.deploy.gke.kubectl import Kubectl

MANIFESTS = Path(__file__).parents[2] / "gke"
NAMESPACE = "classifier"
WORKLOADS = ("Deployment", "StatefulSet")

_OURS = "classifier/"  # how the base names container images that are not known before they are pushed
_PLACEHOLDER = "example-"
_OWNER_OF_PODS = {*WORKLOADS, "CronJob", "Job"}

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """All manifests of one deployment, as they are given to the cluster."""

    manifests: tuple[Manifest, ...]

    def of(self, *kinds: str) -> list[Manifest]:
        """Return those of some kinds."""
        return [manifest for manifest in self.manifests if manifest["kind"] in kinds]

    def without(self, *kinds: str) -> list[Manifest]:
        """Return all others."""
        return [manifest for manifest in self.manifests if manifest["kind"] not in kinds]

    @property
    def container_images(self) -> dict[str, str]:
        """Each container image, under the kind and name of what runs it."""
        return {
            f"{manifest['kind']}/{manifest['metadata']['name']}/{container['name']}": container["image"]
            for manifest in self.manifests
            if manifest["kind"] in _OWNER_OF_PODS
            for container in containers(manifest)
        }


def as_text(manifests: Sequence[Manifest]) -> str:
    """Return manifests as kubectl reads them."""
    return yaml.safe_dump_all(manifests, sort_keys=False)


def pod_of(manifest: Manifest) -> dict[str, Any]:
    """Return the specification of the Pods that a workload makes."""
    spec = manifest["spec"]
    if manifest["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    pod: dict[str, Any] = spec["template"]["spec"]
    return pod


def containers(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Yield the containers of a workload's Pods."""
    pod = pod_of(manifest)
    yield from (*pod.get("initContainers", ()), *pod["containers"])


@dataclass(frozen=True)
class Overlay:
    """Which manifests: an overlay by name, and what is laid over it for one deployment."""

    name: str
    place: Path | None = None  # a file to take the place of its place.env
    components: tuple[str, ...] = ()

    def render(self, container_images: Mapping[str, str], kubectl: Kubectl) -> Rendered:
        """Return its manifests with these container images, by short name. Raises DeployError."""
        with tempfile.TemporaryDirectory(prefix="gke-") as folder:
            copy = Path(folder) / "gke"
            shutil.copytree(MANIFESTS, copy)
            if self.place:
                self._take_place_from(self.place, copy)
            deployment = copy / "overlays" / "deployment"
            deployment.mkdir()
            (deployment / "kustomization.yaml").write_text(self._kustomization(container_images), encoding="utf-8")
            text = kubectl.kustomize(deployment)
        rendered = Rendered(tuple(manifest for manifest in yaml.safe_load_all(text) if manifest))
        _check(rendered, text)
        return rendered

    def _take_place_from(self, place: Path, copy: Path) -> None:
        target = copy / "overlays" / self.name / "place.env"
        if not target.exists():
            raise ConfigurationError(f"The overlay {self.name} has no place to be set.", "Leave --place out.")
        try:
            shutil.copyfile(place, target)
        except OSError as error:
            raise ConfigurationError(f"{place} cannot be read ({error.strerror}).", "Correct --place.") from error

    def _kustomization(self, container_images: Mapping[str, str]) -> str:
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": NAMESPACE,
            "resources": [f"../{self.name}"],
            "components": [f"../../components/{name}" for name in self.components],
            "images": [_entry(_OURS + name, image) for name, image in sorted(container_images.items())],
        }
        return yaml.safe_dump(kustomization, sort_keys=False)


def overlays() -> list[str]:
    """Return the names of the overlays that there are."""
    return sorted(folder.name for folder in (MANIFESTS / "overlays").iterdir() if folder.is_dir())


def _entry(name: str, image: str) -> dict[str, str]:
    """Return what kustomize calls an image: a new name with a digest or a tag."""
    new_name, at, digest = image.partition("@")
    if at:
        return {"name": name, "newName": new_name, "digest": digest}
    new_name, _, tag = image.rpartition(":")
    return {"name": name, "newName": new_name, "newTag": tag}


def _check(rendered: Rendered, text: str) -> None:
    """Refuse what was left as it came. Raises ConfigurationError."""
    unknown = sorted({image for image in rendered.container_images.values() if ":" not in image})
    if unknown:
        raise ConfigurationError(
            f"No container image is known for {', '.join(unknown)}.", "Push all of them: make push."
        )
    left = sorted(set(re.findall(rf"\b{_PLACEHOLDER}(?:project|bucket)\b", text)))
    if left:
        raise ConfigurationError(
            f"{' and '.join(left)} are no names of yours.",
            "Write your project and bucket into a copy of overlays/gke/place.env, and name it by --place.",
        )
