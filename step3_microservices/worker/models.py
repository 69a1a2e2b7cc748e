"""The models of this process: the one that gateways are told of, and the one before it while work for it may come."""

from dataclasses import dataclass
from time import time
from typing import NamedTuple

from shared.errors import ExplanationUnsupportedError
from step3_microservices.contract import ModelCard
from step3_microservices.worker.runtime import Classifier


class Loaded(NamedTuple):
    """A warm model, and the version of the artifact that it came from, if it came from one."""

    classifier: Classifier
    artifact: str | None


@dataclass(frozen=True)
class _Served:
    loaded: Loaded
    card: ModelCard
    since: float


class ServedModels:
    """One current model, and at most one before it. Switching is one assignment, so that no lock is needed."""

    def __init__(self, loaded: Loaded) -> None:
        """Serve that model."""
        self._served: tuple[_Served, ...] = (_serve(loaded),)

    @property
    def current(self) -> Classifier:
        """The model that gateways are told of."""
        return self._served[0].loaded.classifier

    @property
    def card(self) -> ModelCard:
        """What gateways are told of it."""
        return self._served[0].card

    @property
    def since(self) -> float:
        """Unix time, in seconds, at which it became the current one."""
        return self._served[0].since

    @property
    def artifact(self) -> str | None:
        """The version of the artifact that it came from, if it came from one."""
        return self._served[0].loaded.artifact

    def switch(self, loaded: Loaded) -> None:
        """Serve another model from now on; the one before it still answers what was asked of it."""
        self._served = (_serve(loaded), self._served[0])

    def forget_the_one_before(self) -> None:
        """Let go of the model before the current one."""
        self._served = self._served[:1]

    def suiting(self, model_version: str) -> Classifier | None:
        """Return the model of that version, or else the current one where it takes the same input; else None."""
        for served in self._served:
            if str(served.card.version) == model_version:
                return served.loaded.classifier
        wanted = model_version.rpartition("/")[2]  # the last part names the preprocessing
        return self.current if str(self.current.preprocessing) == wanted else None


def _serve(loaded: Loaded) -> _Served:
    classifier = loaded.classifier
    explainable = True
    try:
        classifier.check_explainable()
    except ExplanationUnsupportedError:
        explainable = False
    card = ModelCard(classifier.version, classifier.preprocessing, tuple(classifier.labels), explainable)
    return _Served(loaded, card, time())
