"""What KEDA scales workers by, computed by Prometheus itself from figures as the services tell them."""

from pathlib import Path

import pytest

from tests.app.step5.kubernetes_rendered import named
from tests.app.step5.promtool import SCRAPED_EACH_S, check, series

SPEC = named("gke", "ScaledObject", "worker")["spec"]
(TRIGGER,) = SPEC["triggers"]


def busy_worker(pod: str, share: float, batch: int) -> list[dict[str, str]]:
    """A worker that is at work for a share of the time, in calls of 0.1 s with so many pictures each."""
    calls = share / 0.1 * SCRAPED_EACH_S
    return [
        series("worker_predict_duration_seconds_sum", f"0+{calls * 0.1}x20", pod=pod),
        series("worker_batch_size_sum", f"0+{calls * batch}x20", pod=pod),
        series("worker_batch_size_count", f"0+{calls}x20", pod=pod),
    ]


def waiting(gateway: str, interactive: int, jobs: int = 0) -> list[dict[str, str]]:
    return [
        series("classifier_queue_length", f"{length}x20", pod=gateway, queue=queue)
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
    check(TRIGGER["metadata"]["query"], figures, pictures, tmp_path)


def test_without_gateways_there_is_no_number_so_that_keda_falls_back(tmp_path: Path):
    check(TRIGGER["metadata"]["query"], busy_worker("w1", 1.0, 4), None, tmp_path)

    assert TRIGGER["metadata"]["ignoreNullValues"] == "false"


def test_figures_that_are_lost_take_no_workers_away():
    assert SPEC["fallback"]["replicas"] > SPEC["minReplicaCount"]
    assert SPEC["fallback"]["behavior"] == "currentReplicasIfHigher", "by default `replicas` is the most as well"


def test_a_worker_without_a_break_is_a_reason_for_another_one():
    assert float(TRIGGER["metadata"]["threshold"]) < 4, "of the batch that it has in work (MAX_BATCH_SIZE)"
