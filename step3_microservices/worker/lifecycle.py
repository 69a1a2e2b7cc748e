"""The life of a worker's model: loaded, warmed and checked before it serves; replaced by another while it does."""

import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Event, Thread
from time import monotonic

from redis import Redis, RedisError

from shared.classifier.images import decode
from shared.classifier.labels import top_k
from shared.classifier.preprocess import preprocess
from shared.errors import ExpectedError
from step3_microservices.golden_picture import CAT, REMEDY, wrong_answer
from step3_microservices.job_store import JobStore
from step3_microservices.presence import Worker, announce, retire
from step3_microservices.settings import ConfigError
from step3_microservices.worker import artifacts
from step3_microservices.worker.config import Config
from step3_microservices.worker.lost_jobs import send_lost_jobs_again
from step3_microservices.worker.metrics import Metrics
from step3_microservices.worker.models import Loaded, ServedModels
from step3_microservices.worker.runtime import Classifier, load_artifact

_ANNOUNCED_EVERY_S = 1.0
_STOPPED_WITHIN_S = 5.0
_OLD_MODEL_KEPT_S = 60.0  # longer than any interactive request waits

Chore = Callable[[], None]

_log = logging.getLogger(__name__)


def load_model(config: Config, version: str | None) -> Loaded:
    """Return the model that the settings name, warm and checked; `version` is the artifact's, None for the pointer's.

    Raises ModelError, ArtifactError or ConfigError.
    """
    if config.runtime == "tensorflow":
        loaded = Loaded(_load_tensorflow(config), None)
    else:
        artifact = artifacts.fetch(config.artifacts, config.model, config.artifact_cache, version)
        threads = config.inference_threads or None
        loaded = Loaded(load_artifact(artifact, config.precision, threads=threads), artifact.folder.name)
    loaded.classifier.warm_up()
    check_golden(config, loaded.classifier)
    return loaded


def _load_tensorflow(config: Config) -> Classifier:
    from shared.classifier.models import load  # noqa: PLC0415 - TensorFlow takes seconds and hundreds of megabytes
    from shared.classifier.native_logs import native_logs_held_back  # noqa: PLC0415

    precision = "float32" if config.precision == "auto" else config.precision
    with native_logs_held_back():
        return load(
            config.model,
            weights=config.weights,
            labels=config.labels,
            scaling=config.scaling,
            precision=precision,
        )


def check_golden(config: Config, classifier: Classifier) -> None:
    """Raise ConfigError where a picture whose right answer is known is answered wrong.

    Where no right label is known, as for a model of one's own without GOLDEN_LABELS, any answer will do.
    """
    path = config.golden_image or CAT
    batch = preprocess(decode(path.read_bytes()).rgb, classifier.preprocessing)
    (best,) = top_k(classifier.predict(batch)[0], classifier.labels, 1)
    wrong = wrong_answer(best, config.golden_labels, is_the_cat=config.golden_image is None)
    if wrong:
        raise ConfigError(f"{classifier.version}: {wrong}", REMEDY)


class Lifecycle:
    """Says once a second that this worker is there, and looks whether another version of its model is wanted.

    Each chore has a thread of its own: to fetch and load a model may take longer than gateways believe in a worker that
    says nothing.
    """

    def __init__(self, config: Config, redis: Redis, models: ServedModels, metrics: Metrics, jobs: JobStore) -> None:
        """Name this process; `start` begins."""
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self._config = config
        self._redis = redis
        self._models = models
        self._metrics = metrics
        self._stopped = Event()
        chores: list[tuple[str, Chore, float, float]] = [
            ("announce", self._announce, _ANNOUNCED_EVERY_S, 0),
            ("search", partial(send_lost_jobs_again, jobs), config.visibility_timeout_s, config.visibility_timeout_s),
            ("look", self._look, config.reload_interval_s, config.reload_interval_s),
        ]
        self._threads = [Thread(target=self._repeat, name=name, args=how, daemon=True) for name, *how in chores]
        self._refused: str | None = None
        self._forget_at = float("inf")

    def start(self) -> None:
        """Begin, in threads of its own."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Say that this worker is no longer there."""
        self._stopped.set()
        deadline = monotonic() + _STOPPED_WITHIN_S
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=max(0.0, deadline - monotonic()))
        with suppress(RedisError):  # it will be forgotten in a few seconds anyway
            retire(self._redis, self.name)

    def _repeat(self, chore: Chore, interval_s: float, first_after_s: float) -> None:
        is_missed = False
        self._stopped.wait(first_after_s)
        while not self._stopped.is_set():
            try:
                chore()
                is_missed = False
            except RedisError as error:
                if not is_missed:
                    _log.warning("Redis is not there", extra={"fields": {"reason": str(error)}})
                is_missed = True
            except Exception:  # noqa: BLE001 - without this thread nobody would know of the worker any more
                _log.exception("unforeseen")
            self._stopped.wait(interval_s)

    def _announce(self) -> None:
        card, speed = self._models.card, self._metrics.images_per_s
        announce(self._redis, Worker(self.name, str(card.version), self._models.since, speed), card)

    def _look(self) -> None:
        """Load what the pointer names beside what is served, and switch only to what answers right."""
        if monotonic() >= self._forget_at:
            self._models.forget_the_one_before()
            self._forget_at = float("inf")
        config = self._config
        if config.runtime == "tensorflow" or config.artifact_version:
            return
        wanted: str | None = None
        try:
            wanted = artifacts.current(config.artifacts, config.model)
            if wanted in {self._models.artifact, self._refused}:
                return
            _log.info("another version is wanted", extra={"fields": {"artifact": wanted}})
            self._models.switch(load_model(config, wanted))
        except ExpectedError as error:
            self._refused = wanted
            _log.error(error.detail, extra={"fields": {"code": error.code, "remedy": error.remedy, "artifact": wanted}})
            return
        self._forget_at = monotonic() + _OLD_MODEL_KEPT_S
        if not self._stopped.is_set():
            self._announce()
        _log.info("switched", extra={"fields": {"model_version": str(self._models.card.version)}})
