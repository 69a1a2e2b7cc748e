"""Queries computed by Prometheus itself, from figures as the services tell them."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

SCRAPED_EACH_S = 15


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    """One series of the namespace, in Prometheus's short notation for values."""
    written = ",".join(f'{key}="{value}"' for key, value in {"namespace": "classifier", **labels}.items())
    return {"series": f"{name}{{{written}}}", "values": values}


def check(query: str, figures: Sequence[dict[str, str]], value: float | None, folder: Path) -> None:
    """Fail unless the query comes to this number, or to none, after four minutes. Skips without promtool."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("Prometheus is not installed")
    samples = [] if value is None else [{"labels": "{}", "value": value}]
    expected = {"expr": query, "eval_time": "4m", "exp_samples": samples}
    test = {"interval": f"{SCRAPED_EACH_S}s", "input_series": list(figures), "promql_expr_test": [expected]}
    (folder / "tests.yaml").write_text(yaml.safe_dump({"tests": [test]}))

    run = subprocess.run(
        [promtool, "test", "rules", "tests.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stdout + run.stderr
