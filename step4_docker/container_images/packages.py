"""Which Python packages a container image holds: as a CycloneDX document (SBOM), and what is known against them."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import requests
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from docker import DockerClient
from docker.errors import DockerException
from packageurl import PackageURL

from step4_docker.container_images.errors import AuditError

_LIST = (
    "import importlib.metadata as m; print(*sorted({f'{d.name}=={d.version}' for d in m.distributions()}), sep='\\n')"
)


@dataclass(frozen=True)
class Finding:
    """Something known to be wrong with a package."""

    package: str
    version: str
    identifier: str  # such as CVE-2025-1234
    mended_in: str


def packages_of(client: DockerClient, container_image: str) -> list[str]:
    """Return the Python packages inside, each as `name==version`. Raises AuditError."""
    try:
        output = client.containers.run(
            container_image, entrypoint=["python", "-c", _LIST], remove=True, network_disabled=True, read_only=True
        )
    except (DockerException, requests.RequestException) as error:
        raise AuditError(f"{container_image} does not tell what it holds: {error}", "Build it: make images.") from error
    return str(output.decode()).split()


def sbom(container_image: str, packages: list[str]) -> str:
    """Return the packages as a CycloneDX 1.6 document in JSON."""
    whole = Component(name=container_image, type=ComponentType.CONTAINER)
    bom = Bom(components=[_component(package) for package in packages])
    bom.metadata.component = whole
    bom.register_dependency(whole, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=2)


def _component(package: str) -> Component:
    name, _, version = package.partition("==")
    purl = PackageURL("pypi", name=name.lower().replace("_", "-"), version=version)
    return Component(name=name, version=version, purl=purl, bom_ref=str(purl), type=ComponentType.LIBRARY)


def audit(packages: list[str]) -> list[Finding]:
    """Return what PyPI's advisories say against the packages.

    Raises AuditError where a package could not be looked up: that nothing is known of it must not look like good news.
    """
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "packages.txt")
        listed.write_text("\n".join(packages), encoding="utf-8")
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(listed), "--no-deps", "--disable-pip"]
        run = subprocess.run(
            [*command, "--format", "json", "--progress-spinner", "off"], capture_output=True, text=True, check=False
        )
    try:
        found = json.loads(run.stdout)["dependencies"]
    except (ValueError, KeyError) as error:
        reason = (run.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise AuditError(
            f"The advisories cannot be reached: {reason}", "Try again where there is a network."
        ) from error
    if unknown := [one["name"] for one in found if "skip_reason" in one]:
        detail = f"{len(unknown)} of {len(found)} packages could not be looked up: {', '.join(unknown)}."
        raise AuditError(detail, "The advisories of PyPI cannot be reached from here; try again where they can.")
    return [
        Finding(one["name"], one["version"], known["id"], ", ".join(known["fix_versions"]))
        for one in found
        for known in one["vulns"]
    ]
