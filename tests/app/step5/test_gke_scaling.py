"""What KEDA scales workers by, computed by Prometheus itself from figures as the services tell them."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.app.step5.kubernetes_rendered import named

(TRIGGER,) = named("gke", "ScaledObject", "worker")["spec"]["triggers"]
LABELS = 'namespace="classifier"'


def series(name: str, labels: str, values: str) -> dict[str, str]:
    return {"series": f"{name}{{{LABELS},{labels}}}", "values": values}


def busy_worker(pod: str, share: float, batch: int) -> list[dict[str, str]]:
    """A worker that is at work for a share of the time, in calls of 0.1 s with so many pictures each."""
    calls = share / 0.1 * 15  # between two scrapes
    return [
        series("worker_predict_duration_seconds_sum", f'pod="{pod}"', f"0+{calls * 0.1}x20"),
        series("worker_batch_size_sum", f'pod="{pod}"', f"0+{calls * batch}x20"),
        series("worker_batch_size_count", f'pod="{pod}"', f"0+{calls}x20"),
    ]


def waiting(gateway: str, interactive: int, jobs: int = 0) -> list[dict[str, str]]:
    return [
        series("classifier_queue_length", f'pod="{gateway}",queue="{queue}"', f"{length}x20")
        for queue, length in (("interactive", interactive), ("jobs", jobs))
    ]


@pytest.mark.parametrize(
    ("figures", "pictures"),
    [
        pytest.param(waiting("g1", 0), 0, id="nothing waits and nobody works"),
        pytest.param(waiting("g1", 7, 5), 12, id="what waits in both queues"),
        pytest.param(waiting("g1", 7) + waiting("g2", 7), 7, id="two gateways tell of the same queue"),
        pytest.param(waiting("g1", 0) + busy_worker("w1", 1.0, 4), 4, id="a worker without a break, in batches of 4"),
        pytest.param(
            waiting("g1", 2) + busy_worker("w1", 0.5, 1) + busy_worker("w2", 0.5, 1), 3, id="two at work half the time"
        ),
    ],
)
def test_pictures_that_wait_and_pictures_in_work_are_what_is_scaled_by(
    figures: list[dict[str, str]], pictures: float, tmp_path: Path
):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("Prometheus is not installed")
    query = TRIGGER["metadata"]["query"]
    expected = {"expr": query, "eval_time": "4m", "exp_samples": [{"labels": "{}", "value": pictures}]}
    tests = {
        "evaluation_interval": "15s",
        "tests": [{"interval": "15s", "input_series": figures, "promql_expr_test": [expected]}],
    }
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests))

    run = subprocess.run(
        [promtool, "test", "rules", "tests.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stdout + run.stderr


def test_without_gateways_there_is_no_number_so_that_keda_falls_back(tmp_path: Path):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("Prometheus is not installed")
    expected = {"expr": TRIGGER["metadata"]["query"], "eval_time": "4m", "exp_samples": []}
    tests = {"tests": [{"interval": "15s", "input_series": busy_worker("w1", 1.0, 4), "promql_expr_test": [expected]}]}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests))

    run = subprocess.run(
        [promtool, "test", "rules", "tests.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert TRIGGER["metadata"]["ignoreNullValues"] == "false"
    assert named("gke", "ScaledObject", "worker")["spec"]["fallback"]["replicas"] >= 2


def test_a_worker_without_a_break_is_a_reason_for_another_one():
    assert float(TRIGGER["metadata"]["threshold"]) < 4, "of the batch that it has in work (MAX_BATCH_SIZE)"
