"""Drift: whether what models find in pictures is still distributed as it was, as one figure for labels and confidence.

Counts lie in Redis, in a hash for each model and hour. Those of the latest hours, the window, are held against a
reference: the first full window of a model, or the one that `gateway/drift_reference.py` was told to take.
"""

import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log
from threading import Event, Lock, Thread
from time import time
from typing import cast

from redis import Redis, RedisError

CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)  # upper ends of what is counted together
LONGEST_WINDOW_H = 7 * 24

_FLUSHED_EVERY_S = 5.0
_HOUR_S = 3600
_COUNTS_TTL_S = (LONGEST_WINDOW_H + 24) * _HOUR_S
_REFERENCE_TTL_S = 90 * 24 * _HOUR_S
_GROUPS = 20  # of labels with neighbouring class indexes, each about as common in the reference as the others
_LABEL, _CONFIDENCE = "label:", "confidence:"

_log = logging.getLogger(__name__)


class DriftBuffer:
    """Counts answers in this process, and adds them to those in Redis every few seconds: no request waits for that."""

    def __init__(self, redis: Redis, now: Callable[[], float] = time) -> None:
        """Begin with nothing; the thread that adds them begins with the first answer, and so after any fork."""
        self._redis = redis
        self._now = now
        self._lock = Lock()
        self._pending: Counter[tuple[str, str]] = Counter()
        self._thread: Thread | None = None

    def add(self, model_version: str, class_index: int, probability: float) -> None:
        """Count one answer."""
        confidence = min(bisect_left(CONFIDENCES, probability), len(CONFIDENCES) - 1)
        with self._lock:
            self._pending[model_version, f"{_LABEL}{class_index}"] += 1
            self._pending[model_version, f"{_CONFIDENCE}{confidence}"] += 1
            if self._thread is None:
                self._thread = Thread(target=self._run, name="drift", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Add what was counted to the hour's counts; keep it where Redis is not there."""
        with self._lock:
            pending, self._pending = self._pending, Counter()
        hour = int(self._now() // _HOUR_S)
        try:
            with self._redis.pipeline() as pipe:
                for (version, field), count in pending.items():
                    pipe.hincrby(_hour_key(version, hour), field, count)
                for version in {version for version, _ in pending}:
                    pipe.expire(_hour_key(version, hour), _COUNTS_TTL_S)
                    pipe.set(_since_key(version), self._now(), ex=_REFERENCE_TTL_S, nx=True)
                    pipe.expire(_since_key(version), _REFERENCE_TTL_S)
                pipe.execute()
        except RedisError as error:
            _log.warning("drift is not counted now", extra={"fields": {"reason": str(error)}})
            with self._lock:
                self._pending += pending

    def _run(self) -> None:
        pause = Event()
        while True:
            pause.wait(_FLUSHED_EVERY_S)
            if self._pending:
                self.flush()


@dataclass(frozen=True)
class DriftFigures:
    """Population stability indexes, None where there are too few pictures; and how many pictures there are."""

    labels: float | None
    confidence: float | None
    window_pictures: int
    reference_pictures: int


class Drift:
    """Holds the latest hours against the reference."""

    def __init__(self, redis: Redis, *, window_h: int, min_pictures: int, now: Callable[[], float] = time) -> None:
        """Look at so many hours; tell nothing from fewer pictures than `min_pictures`.

        Without any drift the index is about (1 / pictures + 1 / pictures of the reference) times a chi-square variable
        of as many degrees of freedom as there are bins, less one (B. Yurdakul, Statistical Properties of Population
        Stability Index, 2018, https://scholarworks.wmich.edu/dissertations/3208). From twice 500 pictures in 20 bins
        that is 0.08 on average, and above the usual limit of 0.25 not once in 100,000 windows.
        """
        self._redis = redis
        self._window_h = window_h
        self._min_pictures = min_pictures
        self._now = now
        self._over: dict[tuple[str, int], Counter[str]] = {}  # the counts of hours to which none are added any more

    def figures(self, model_version: str) -> DriftFigures:
        """Return how a model's latest answers differ from its reference; the first full window becomes that."""
        window = self.window(model_version)
        reference = self._reference(model_version)
        if not reference and self._is_full(model_version) and _pictures(window) >= self._min_pictures:
            self.take_reference(model_version, window)
            reference = window
        counts = _pictures(window), _pictures(reference)
        if min(counts) < self._min_pictures:
            return DriftFigures(None, None, *counts)
        ends = _group_ends(_of(reference, _LABEL))
        return DriftFigures(
            stability_index(_grouped(_of(reference, _LABEL), ends), _grouped(_of(window, _LABEL), ends)),
            stability_index(_of(reference, _CONFIDENCE), _of(window, _CONFIDENCE)),
            *counts,
        )

    def window(self, model_version: str) -> Counter[str]:
        """Return the counts of the latest hours, the one that has begun included."""
        newest = int(self._now() // _HOUR_S)
        hours = [(model_version, newest - past) for past in range(self._window_h)]
        counts = {hour: self._over[hour] for hour in hours if hour in self._over}
        missing = [hour for hour in hours if hour not in counts]
        with self._redis.pipeline(transaction=False) as pipe:
            for hour in missing:
                pipe.hgetall(_hour_key(*hour))
            counts |= zip(missing, map(_read, pipe.execute()), strict=True)
        self._over = {hour: its for hour, its in counts.items() if hour[1] < newest - 1}  # reading them takes 5 ms each
        window: Counter[str] = Counter()
        for its in counts.values():
            window.update(its)
        return window

    def take_reference(self, model_version: str, counts: Mapping[str, int]) -> int:
        """Let these counts be the reference from now on; return of how many pictures they are."""
        key = _reference_key(model_version)
        with self._redis.pipeline() as pipe:
            pipe.delete(key)
            pipe.hset(key, mapping={field: str(count) for field, count in counts.items()})
            pipe.expire(key, _REFERENCE_TTL_S)
            pipe.execute()
        return _pictures(counts)

    def _reference(self, model_version: str) -> Counter[str]:
        key = _reference_key(model_version)
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(key)
            pipe.expire(key, _REFERENCE_TTL_S)
            return _read(pipe.execute()[0])

    def _is_full(self, model_version: str) -> bool:
        since = cast("bytes | None", self._redis.get(_since_key(model_version)))
        return since is not None and self._now() - float(since) >= self._window_h * _HOUR_S


def stability_index(reference: Mapping[int, int], window: Mapping[int, int]) -> float:
    """Return the population stability index of two counts of the same things: 0 where they are distributed alike.

    It is the sum of (p - q) * ln(p / q); below 0.1 it is usually taken for no change, above 0.25 for one to act upon
    (N. Siddiqi, Credit Risk Scorecards, Wiley 2006). Half a picture is added to each count, so that none is 0.
    """
    names = {*reference, *window}
    totals = [sum(counts.values()) + len(names) / 2 for counts in (reference, window)]
    shares = (((reference.get(n, 0) + 0.5) / totals[0], (window.get(n, 0) + 0.5) / totals[1]) for n in names)
    return sum((q - p) * log(q / p) for p, q in shares)


def _group_ends(labels: Mapping[int, int]) -> list[int]:
    """Return the last class index of each group but the last: a common label is a group of its own.

    Most of a thousand labels are too rare to be compared one by one, and the commonest would be so by chance.
    """
    ends: list[int] = []
    counted, total = 0, sum(labels.values())
    for class_index in sorted(labels):
        counted += labels[class_index]
        if counted * _GROUPS >= total * (len(ends) + 1):
            ends.append(class_index)
    return ends[:-1]


def _grouped(labels: Mapping[int, int], ends: list[int]) -> Counter[int]:
    groups: Counter[int] = Counter()
    for class_index, count in labels.items():
        groups[bisect_left(ends, class_index)] += count
    return groups


def _of(counts: Mapping[str, int], kind: str) -> dict[int, int]:
    """Return the counts of labels by class index, or those of confidences by their place in CONFIDENCES."""
    return {int(field.removeprefix(kind)): count for field, count in counts.items() if field.startswith(kind)}


def _pictures(counts: Mapping[str, int]) -> int:
    return sum(_of(counts, _CONFIDENCE).values())


def _read(counts: Mapping[bytes, bytes]) -> Counter[str]:
    return Counter({field.decode(): int(count) for field, count in counts.items()})


def _hour_key(model_version: str, hour: int) -> str:
    return f"drift:{model_version}:{hour}"


def _since_key(model_version: str) -> str:
    return f"drift:{model_version}:since"


def _reference_key(model_version: str) -> str:
    return f"drift:{model_version}:reference"
