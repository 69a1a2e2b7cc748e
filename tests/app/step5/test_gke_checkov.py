"""checkov looks at everything, and finds nothing but what is not kept, each with its reason."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from step5_orchestration.deploy.gke.manifests import MANIFESTS
from tests.app.step5.kubernetes_rendered import EVERYTHING, write
from tests.repo.checkout import ROOT

CONFIGURATION = MANIFESTS / "checkov.yaml"
DOCKERFILES = [MANIFESTS / "static_site/Dockerfile", ROOT / "step5_orchestration/spark/Dockerfile"]
CHECKOV = ROOT / ".venv-checkov"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What does not pass where nothing is skipped, of all overlays and Dockerfiles in one run."""
    if not (CHECKOV / "checkov.stamp").exists():
        pytest.skip("checkov is not installed: make test-setup")
    folder = tmp_path_factory.mktemp("checkov")
    write(folder / "manifests")
    for dockerfile in DOCKERFILES:
        (folder / "manifests" / dockerfile.parent.name).mkdir()
        shutil.copy(dockerfile, folder / "manifests" / dockerfile.parent.name)
    everything = yaml.safe_load(CONFIGURATION.read_text())
    del everything["skip-check"]
    (folder / "checkov.yaml").write_text(yaml.safe_dump(everything))

    command = [CHECKOV / "bin/checkov", "--config-file", "checkov.yaml", "--directory", "manifests", "--output", "json"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    reports = json.loads(run.stdout or "[]")
    assert {report["check_type"] for report in reports} == {*everything["framework"]}, run.stderr
    return [one for report in reports for one in report["results"]["failed_checks"]]


def skipped() -> set[str]:
    return {*yaml.safe_load(CONFIGURATION.read_text())["skip-check"]}


def test_nothing_is_found_but_what_is_skipped(found: list[dict[str, Any]]):
    others = [one for one in found if one["check_id"] not in skipped()]

    assert [f"{one['check_id']} {one['file_path']} {one['resource']}: {one['check_name']}" for one in others] == []


def test_nothing_is_skipped_that_would_pass(found: list[dict[str, Any]]):
    assert skipped() - {one["check_id"] for one in found} == set()


def test_every_overlay_and_dockerfile_was_looked_at(found: list[dict[str, Any]]):
    files = {Path(one["file_path"]) for one in found}  # something is skipped in each

    assert {path.stem for path in files if path.suffix} == {name.replace(" ", "-") for name in EVERYTHING}
    assert {path.parent.name for path in files if not path.suffix} == {path.parent.name for path in DOCKERFILES}


def test_every_skip_has_its_reason_beside_it():
    lines = [line for line in CONFIGURATION.read_text().splitlines() if line.startswith("  - ")]

    assert len(lines) == len(skipped())
    assert [line for line in lines if not re.fullmatch(r"  - CKV_\w+  # .{40,}", line)] == []
