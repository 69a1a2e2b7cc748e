"""Everything that the OpenAPI document allows, and much that it does not, asked of the real service by a machine."""

import os
import re
import subprocess
import sys

from tests.conftest import ROOT


def st_run(address, folder, *options, hooks=""):
    """Run Schemathesis from its command line, with all of its checks and the same examples each time."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json", "--no-color"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": hooks}
    options = ("--seed", "2", "--generation-deterministic", "--continue-on-failure", *options)
    options = ("--suppress-health-check", "too_slow", *options)  # of the machine's speed nothing is to be said
    return subprocess.run(
        [*command, *options], check=False, cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )


def test_the_service_does_what_its_document_says(service, tmp_path):
    result = st_run(service.address, tmp_path, "--max-examples", "200", hooks="tests.app.step2.real_pictures")

    assert result.returncode == 0, result.stdout
    assert int(re.search(r"(\d+) generated", result.stdout)[1]) > 200
    assert "4 selected / 4 total" in result.stdout


def test_of_bytes_that_are_no_picture_nothing_but_the_refusal_is_to_be_said(service, tmp_path):
    """Left to itself, Schemathesis takes any bytes for a picture, as the schema does; the service cannot."""
    (tmp_path / "schemathesis.toml").write_text(
        '[[operations]]\ninclude-name = "POST /v1/classify"\n'
        'checks.positive_data_acceptance.expected-statuses = ["2xx", "415", "422"]\n'
    )

    result = st_run(service.address, tmp_path, "--max-examples", "100")

    assert result.returncode == 0, result.stdout
