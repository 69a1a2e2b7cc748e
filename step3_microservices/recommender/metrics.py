"""What this service counts, for Prometheus; with several web processes each figure is the sum over all of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import Counter, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.recommender.fallback import Reason, Recommended
from shared.recommender.manifest import Manifest
from step3_microservices.gateway.request_figures import RequestFigures
from step3_microservices.recommender.event_forms import Event
from step3_microservices.recommender.experiment import COLLABORATIVE, CONTROL, NO_ARM

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 1)


class Metrics(RequestFigures):
    """The figures of one app. Each gets a registry of its own, so that a test may make several apps."""

    def __init__(self, manifest: Callable[[], Manifest | None], folder: Path | None) -> None:
        """Begin with nothing counted; `manifest` returns that of the model that is served, if there is one."""
        super().__init__(folder, seconds=_SECONDS)
        self.told_once.register(ModelFigures(manifest))
        self.lists = Counter("recommender_lists", "Lists answered, by arm", ["arm"], registry=self.registry)
        self.items = Counter(
            "recommender_items", "Items recommended, by why they were", ["reason"], registry=self.registry
        )
        self.events = Counter(
            "recommender_events_accepted", "By kind; one sent twice, twice", ["event", "arm"], registry=self.registry
        )
        self.reloads = Counter(
            "recommender_reloads", "Versions found, by what became of them", ["outcome"], registry=self.registry
        )
        self.lookups = Histogram(
            "recommender_lookup_seconds",
            "To find the items of one list",
            buckets=(5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3, 1e-2),
            registry=self.registry,
        )

        # Looked up once, not in every request; so each is told from the beginning, as nothing.
        self._by_arm = {arm: self.lists.labels(arm) for arm in (CONTROL, COLLABORATIVE, NO_ARM)}
        self._by_reason = {reason: self.items.labels(reason) for reason in Reason}

    def observe(self, arm: str, recommended: Iterable[Recommended], seconds: float) -> None:
        """Count one list."""
        self._by_arm[arm].inc()
        self.lookups.observe(seconds)
        counts = dict.fromkeys(Reason, 0)
        for one in recommended:
            counts[one.reason] += 1
        for reason, count in counts.items():
            if count:
                self._by_reason[reason].inc(count)

    def observe_events(self, events: Sequence[Event]) -> None:
        """Count what was accepted."""
        for event in events:
            self.events.labels(event.event, event.arm).inc()

    def observe_version(self, outcome: str) -> None:
        """Count one version that was found."""
        self.reloads.labels(outcome).inc()


class ModelFigures(Collector):
    """Which model is served, and how old it is."""

    def __init__(self, manifest: Callable[[], Manifest | None]) -> None:
        """Ask `manifest` for it whenever somebody wants to know."""
        self._manifest = manifest

    def collect(self) -> Iterator[Metric]:
        """Yield its figures; none where there is no model."""
        manifest = self._manifest()
        if manifest is None:
            return
        version = GaugeMetricFamily("recommender_model_info", "Which model is served", labels=["version"])
        version.add_metric([manifest.version], 1)
        yield version
        yield GaugeMetricFamily("recommender_model_age_seconds", "Since it was written", value=age_s(manifest))
        yield GaugeMetricFamily("recommender_model_users", "Users with lists of their own", value=manifest.users)


def age_s(manifest: Manifest) -> int:
    """Return how many seconds ago the artifact was written."""
    return max(0, int((datetime.now(UTC) - manifest.created_at).total_seconds()))
