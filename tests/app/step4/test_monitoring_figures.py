"""Every query of every dashboard, against a real Prometheus that looks at a real step 3 which has something to do."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import isnan
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from redis import Redis

from step3_microservices.drift import Drift
from step3_microservices.presence import newest_first
from tests.app.http_contract import CAT, COFFEE, cut_short
from tests.app.serving import READY_WITHIN_S, STOPPED_WITHIN_S, free_port, wait_until
from tests.app.step3.events_system import KEY, consuming, event_json
from tests.app.step3.recommending import published, recommending
from tests.app.step3.system import System, has_redis, running
from tests.app.step3.test_figures import noise
from tests.app.step4.test_monitoring import as_mounted, panels

JOBS = ("gateway", "worker", "recommender", "events")
FEW = 4  # pictures that drift is told from
# Rightly without data where all is well, or where the kernel sets no limit.
MAY_BE_EMPTY = {
    'ALERTS{alertstate="firing"}': "nothing fires",
    'container_memory_used_bytes{job=~"$job"} / container_memory_limit_bytes{job=~"$job"}': "in no container",
    'increase(container_memory_kills_total{job=~"$job"}[1h])': "in no container",
}
LOOKS_EVERY = "5s"  # no answer may take longer either
# What Grafana would put in, for a Prometheus that has just begun.
VARIABLES = {"$__rate_interval": "5m", "$job": ".+", ":15s]": ":1s]"}
QUERIES = [
    pytest.param(target["expr"], id=f"{name} {target['refId']}")
    for name, panel in panels()
    for target in panel["targets"]
]

pytestmark = [
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="there is no prometheus (package prometheus)"),
    pytest.mark.skipif(not has_redis(), reason="there is no Redis"),
]


class Prometheus:
    """A running one."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the samples that a query gives now."""
        answer = requests.get(f"{self.address}/api/v1/query", params={"query": query}, timeout=10).json()
        assert answer["status"] == "success", f"{query}: {answer.get('error')}"
        return answer["data"]["result"]

    def looks(self) -> int:
        """Return how often it has been answered by the service that has answered least often."""
        counts = [int(one["value"][1]) for one in self.ask("sum_over_time(up[5m])")]
        return min(counts) if len(counts) == len(JOBS) else 0


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("monitored")
    database, store = f"sqlite:///{folder}/analytics.sqlite", folder / "store"
    worker_port, consumer_port = free_port(), free_port()
    published(store)
    with ExitStack() as stack:
        settings = {"RUNTIME": "tensorflow", "METRICS_PORT": str(worker_port), "ANALYTICS_DATABASE": database}
        system = stack.enter_context(running(folder, **settings, DRIFT_MIN_PICTURES=str(FEW)))
        redis = system.redis.url
        recommender = stack.enter_context(recommending(folder, store, REDIS_URL=redis, CONTROL_SHARE="0.5"))
        stack.enter_context(consuming(folder, redis, database, EVENTS_METRICS_PORT=str(consumer_port)))
        use(system, recommender.address, 0)
        wait_until(lambda: took_drift_reference(system.redis.client), READY_WITHIN_S)
        addresses = system.address, f":{worker_port}", recommender.address, f":{consumer_port}"
        ports = {job: address.rpartition(":")[2] for job, address in zip(JOBS, addresses, strict=True)}
        prometheus = stack.enter_context(looking(folder / "prometheus", ports))
        wait_until(lambda: prometheus.looks() >= 1, READY_WITHIN_S)
        use(system, recommender.address, 1)
        before = prometheus.looks()
        wait_until(lambda: prometheus.looks() >= before + 2, READY_WITHIN_S)
        yield prometheus


@contextmanager
def looking(folder: Path, ports: dict[str, str]) -> Iterator[Prometheus]:
    """Run Prometheus by the configuration of the containers, but for names and time: ports here, and more often."""
    file = as_mounted(folder)
    config = yaml.safe_load(file.read_text())
    config["global"] = dict.fromkeys(config["global"], LOOKS_EVERY)
    for scraped in config["scrape_configs"]:
        del scraped["dns_sd_configs"]
        scraped["static_configs"] = [{"targets": [f"127.0.0.1:{ports[scraped['job_name']]}"]}]
    file.write_text(yaml.safe_dump(config))
    listen = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={file}", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={listen}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["prometheus", *options], stdout=log, stderr=log)
    try:
        wait_until(lambda: is_answered(f"http://{listen}/-/ready"), READY_WITHIN_S)
        yield Prometheus(f"http://{listen}")
    finally:
        process.terminate()
        process.wait(timeout=STOPPED_WITHIN_S)


def is_answered(address: str) -> bool:
    try:
        return requests.get(address, timeout=5).ok
    except requests.RequestException:
        return False


def use(system: System, recommender: str, number: int) -> None:
    """Do once what people do: pictures, known and new and ruined, a job, a list, events, and one that is none.

    Return when the job is done and the events are written, which others do behind.
    """
    for body in (CAT, COFFEE, noise(3 * number), noise(3 * number + 1), cut_short()):
        requests.post(f"{system.address}/v1/classify", data=body, timeout=30)
    job = requests.post(f"{system.address}/v1/jobs", data=noise(3 * number + 2), timeout=30).headers["Location"]
    for user in ("ann", "bob", ""):
        requests.get(f"{recommender}/v1/recommendations", params={"user_id": user}, timeout=10)
    kinds = ("impression", "impression", "click", "dismiss")
    events = [event_json(4 * number + place, kind) for place, kind in enumerate(kinds)]
    assert requests.post(f"{recommender}/v1/events", json={"events": events}, timeout=10).ok
    assert requests.post(f"{recommender}/v1/events", json={"events": ["none"]}, timeout=10).status_code == 400
    wait_until(lambda: is_done(system, job) and system.redis.client.xlen(KEY) == 0, READY_WITHIN_S)


def is_done(system: System, job: str) -> bool:
    return requests.get(system.address + job, timeout=10).json()["status"] == "done"


def took_drift_reference(redis: Redis) -> bool:
    """Take what was found so far, once it is in Redis, as what drift is told from."""
    drift = Drift(redis, window_h=24, min_pictures=FEW)
    version = newest_first(redis)[0].model_version
    return drift.figures(version).window_pictures >= FEW and bool(drift.take_reference(version, drift.window(version)))


@pytest.mark.parametrize("query", QUERIES)
def test_a_panels_query_is_answered_with_data(prometheus, query):
    asked = query
    for name, value in VARIABLES.items():
        asked = asked.replace(name, value)

    found = prometheus.ask(asked)

    if query not in MAY_BE_EMPTY:
        assert [one for one in found if not isnan(float(one["value"][1]))], "no panel stays empty while all is well"


def test_nothing_fires_while_all_is_well(prometheus):
    assert prometheus.ask('ALERTS{alertstate="firing"}') == []
    assert {one["metric"]["job"] for one in prometheus.ask("up == 1")} == {*JOBS}


def test_queries_that_may_be_empty_are_of_some_panel():
    asked = {query for parameters in QUERIES for query in parameters.values}

    assert {*MAY_BE_EMPTY} <= asked
