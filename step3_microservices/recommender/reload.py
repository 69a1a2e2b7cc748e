"""The artifact that a web process serves: found when it appears, and replaced by another while requests go on.

The new one is opened and checked beside the old one; then a reference changes. A request holds the one that it began
with, and what nobody holds any more is closed.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from time import sleep

from shared.errors import ExpectedError
from shared.recommender.artifact import Artifact, open_artifact
from shared.recommender.fallback import recommend
from shared.recommender.manifest import Manifest
from step3_microservices.gateway.problems import NotReadyError
from step3_microservices.recommender.artifact_stores import ArtifactStore

SWAPPED, REFUSED = "swapped", "refused"

_RETRY_AFTER_S = 5
_FIRST_LOOK_S = 10.0  # gunicorn ends a process that is not there after 30
_PAUSE_S = 0.003  # a mebibyte takes a fifth of that: requests go on at their pace, and a gigabyte takes 4 s
_TRAIN = "Train, which publishes one: python -m step3_microservices.recommender.train"

_log = logging.getLogger(__name__)

Told = Callable[[str], None]
"""Told what became of a version: SWAPPED or REFUSED."""


class Served:
    """The artifact in use, which a thread keeps up to date."""

    def __init__(self, store: ArtifactStore, cache: Path) -> None:
        """Serve nothing yet; `cache` is where versions are copied to that are not on this machine."""
        self._store = store
        self._cache = cache
        self._artifact: Artifact | None = None
        self._missing = "Nobody has looked yet."
        self._refused = ""

    @property
    def artifact(self) -> Artifact:
        """What to answer with; whoever asks keeps it until the answer is made. Raises NotReadyError."""
        artifact = self._artifact
        if artifact is None:
            raise NotReadyError(f"There are no recommendations yet. {self._missing}", _TRAIN, _RETRY_AFTER_S)
        return artifact

    def manifest(self) -> Manifest | None:
        """Return what is known of the artifact in use, if there is one."""
        artifact = self._artifact
        return artifact.manifest if artifact else None

    def look(self, told: Told) -> None:
        """Serve the version that the pointer names from now on; where it cannot be served, the old one stays."""
        try:
            version = self._store.current()
            if version is None:
                self._missing = f"{self._store.source} holds none."
                return
            served = self.manifest()
            if served and served.version == version:
                self._refused = ""
                return
            self._artifact = self._opened(version)
        except ExpectedError as error:
            self._refuse(error, told)
            return
        self._refused = ""
        told(SWAPPED)
        _log.info("serving", extra={"fields": {"model_version": version, "before": served and served.version}})

    def keep_looking(self, interval_s: float, told: Told) -> None:
        """Look now, and then once in each interval, on a thread that ends with the process.

        Returns after the first look, so that a process does not ask for requests before it can answer any; but where
        that takes long, as over a network, before its end.
        """

        def go_on() -> None:
            while True:
                try:
                    self.look(told)
                except Exception:  # noqa: BLE001 - a thread that ended would leave the model to grow old without a word
                    _log.exception("cannot look for another version")
                    told(REFUSED)
                looked.set()
                sleep(interval_s)

        looked = Event()
        Thread(target=go_on, name="reload", daemon=True).start()
        looked.wait(_FIRST_LOOK_S)

    def _opened(self, version: str) -> Artifact:
        artifact = open_artifact(self._store.fetch(version, self._cache), pause_s=_PAUSE_S if self._artifact else 0)
        artifact.lists.get("")
        recommend(artifact, None, None, 1)
        return artifact

    def _refuse(self, error: ExpectedError, told: Told) -> None:
        """Say so once, however often it is looked at."""
        self._missing = error.detail
        if self._refused == error.detail:
            return
        self._refused = error.detail
        told(REFUSED)
        _log.error("version refused", extra={"fields": {"reason": error.detail, "remedy": error.remedy}})
