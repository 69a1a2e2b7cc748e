"""Every kustomization of this step as manifests, rendered once for all tests."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from step5_orchestration.deploy.gke.kubectl import Kubectl
from step5_orchestration.deploy.gke.manifests import MANIFESTS, NAMESPACE, Manifest, Overlay
from tests.app.step5.kubernetes_world import PARTS, image

# Each overlay, and each component that is in none of them on top of one.
DEPLOYMENTS = {
    "local": Overlay("local"),
    "gke": Overlay("gke"),
    "gke with a canary": Overlay("gke", None, ("canary",)),
    "gke with https and Memorystore": Overlay("gke", None, ("https", "memorystore")),
}
STATIC_SITE = "static_site"
EVERYTHING = (*DEPLOYMENTS, STATIC_SITE)
WITH_PODS = ("Deployment", "StatefulSet", "Job", "CronJob")


@cache
def manifests(deployment: str) -> tuple[Manifest, ...]:
    # A context is named, though there is none: rendering asks no cluster.
    kubectl = Kubectl(NAMESPACE, "none")
    if deployment == STATIC_SITE:
        return tuple(yaml.safe_load_all(kubectl.kustomize(MANIFESTS / STATIC_SITE)))
    overlay = DEPLOYMENTS[deployment]
    images = {name: image(name, "a") for name in PARTS}
    images |= {f"{name}-canary": image(name, "b") for name in ("frontend", "gateway")}
    with TemporaryDirectory() as folder:
        place = Path(folder) / "place.env"
        place.write_text("PROJECT=somebody\nBUCKET=somebodys-lists\n")
        here = Overlay(overlay.name, place if overlay.name == "gke" else None, overlay.components)
        return here.render(images, kubectl).manifests


def of(deployment: str, *kinds: str) -> list[Manifest]:
    return [one for one in manifests(deployment) if one["kind"] in kinds]


def named(deployment: str, kind: str, name: str) -> Manifest:
    (found,) = [one for one in of(deployment, kind) if one["metadata"]["name"] == name]
    return found


def settings(deployment: str, workload: Manifest, container: dict) -> dict[str, str]:
    """The environment variables of a container."""
    maps = {one["metadata"]["name"]: one.get("data", {}) for one in of(deployment, "ConfigMap")}
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        found |= maps[source["configMapRef"]["name"]]
    return found | {one["name"]: one["value"] for one in container.get("env", ())}


def write(folder: Path) -> None:
    """Write them, for tools that read files."""
    folder.mkdir(parents=True, exist_ok=True)
    for deployment in EVERYTHING:
        path = folder / f"{deployment.replace(' ', '-')}.yaml"
        path.write_text(yaml.safe_dump_all(manifests(deployment)))
