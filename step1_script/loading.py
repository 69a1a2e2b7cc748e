"""Load the model that the options ask for."""

from typing import TYPE_CHECKING

from shared.classifier.models import load
from shared.classifier.native_logs import native_logs_held_back
from step1_script.options import Options

if TYPE_CHECKING:
    from shared.classifier.keras_classifier import KerasClassifier


def load_classifier(options: Options) -> "KerasClassifier":
    """Return the classifier, warmed up; raises ModelError where none can be had or it cannot do what is asked."""
    with native_logs_held_back():
        classifier = load(
            options.model,
            weights=options.weights,
            labels=options.labels,
            scaling=options.scaling,
            precision=options.precision,
        )
        classifier.warm_up()
        if options.explain:
            classifier.check_explainable()
    return classifier
