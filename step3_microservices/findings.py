"""What models find in people's pictures, counted: how sure they are, and which labels come first.

A gateway counts what it answers at once, a worker the jobs; golden pictures are nobody's, and are not counted.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram

from step3_microservices.drift import CONFIDENCES, DriftBuffer


class Findings:
    """The figures of one process."""

    def __init__(self, registry: CollectorRegistry, drift: DriftBuffer) -> None:
        """Count in that registry, and for the figures of drift."""
        self._drift = drift
        self._confidence = Histogram(
            "classifier_confidence", "Probability of the best label", buckets=CONFIDENCES, registry=registry
        )
        self._labels = Counter(
            "classifier_best_label", "Answers, by their best label", ["class_index", "label"], registry=registry
        )

    def observe(self, model_version: str, class_index: int, label: str, probability: float) -> None:
        """Count one answer."""
        self._confidence.observe(probability)
        self._labels.labels(class_index, label).inc()
        self._drift.add(model_version, class_index, probability)
