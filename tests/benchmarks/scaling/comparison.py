"""The same arrivals under several rules: what each refuses, and what it costs."""

from collections.abc import Mapping
from functools import cache

import yaml

from step5_orchestration.deploy.gke.cost import estimate, read_prices
from step5_orchestration.deploy.gke.manifests import MANIFESTS, Rendered
from tests.benchmarks.scaling.arrivals import TRACES
from tests.benchmarks.scaling.autoscaler import (
    Autoscaler,
    Settings,
    Wanted,
    by_pictures,
    by_processor,
    by_waiting,
    read_settings,
)
from tests.benchmarks.scaling.simulation import Fleet, Run

WORKER = MANIFESTS / "base/worker/worker.yaml"
SEED = 1
STEPS_S = {"steady": 1.0, "burst": 1.0, "wave": 5.0}

CHOSEN = "pictures, 1 each"
RULES: Mapping[str, Wanted] = {
    CHOSEN: by_pictures(1),
    "pictures, 3 each": by_pictures(3),
    "waiting, 3 each": by_waiting(3),
    "processor, 70 %": by_processor(0.7),
}
FIXED = "as many as may be, always"


@cache
def runs(trace: str) -> Mapping[str, Run]:
    """Return what becomes of a trace under each rule, beginning with as few workers as there may be."""
    settings: Settings = read_settings()
    step_s = STEPS_S[trace]
    arrivals = TRACES[trace].arrivals(step_s, SEED)
    fleet = Fleet(settings.least)
    found = {name: fleet.serve(arrivals, step_s, Autoscaler(settings, wanted)) for name, wanted in RULES.items()}
    return found | {FIXED: Fleet(settings.most).serve(arrivals, step_s)}


def worker_hourly() -> float:
    """Return what a worker costs an hour, in dollars: what it requests, as Autopilot bills that."""
    workers = Rendered(tuple(one for one in yaml.safe_load_all(WORKER.read_text()) if one["kind"] == "Deployment"))
    return estimate(workers, read_prices()).costs[0].hourly
