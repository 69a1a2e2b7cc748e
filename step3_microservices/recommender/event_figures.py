"""Events on their way, for Prometheus: what waits, told by the service; what became of it, by a consumer."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis import RedisError

from step3_microservices.gateway.problems import NotReadyError
from step3_microservices.recommender.event_stream import EventStream


class StreamFigures(Collector):
    """What waits for the database; nothing while Redis does not say."""

    def __init__(self, stream: EventStream) -> None:
        """Ask that stream for each scrape."""
        self._stream = stream

    def collect(self) -> Iterator[Metric]:
        """Yield its length and its age."""
        try:
            backlog = self._stream.backlog()
        except (RedisError, NotReadyError):
            return
        yield GaugeMetricFamily("recommender_events_waiting", "Not in the database yet", value=backlog.events)
        yield GaugeMetricFamily("recommender_events_oldest_seconds", "Of what waits", value=backlog.oldest_s)


class ConsumerFigures(Collector):
    """What one consumer has done."""

    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Ask `counts` for how many events were written, were known, or were none."""
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """Yield them."""
        events = CounterMetricFamily("recommender_events", "Taken, by what became of them", labels=["outcome"])
        for outcome, count in self._counts().items():
            events.add_metric([outcome], count)
        yield events
