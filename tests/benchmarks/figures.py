"""What a benchmark finds, and how two things are compared fairly on a machine that is never quiet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter
from typing import Self


@dataclass(frozen=True)
class Figure:
    """One measured number, most often a ratio of two things measured in turn, and the bound it is to keep if any."""

    what: str
    value: float
    details: str
    bound: str
    kept: bool

    @classmethod
    def at_least(cls, bound: float | None, what: str, value: float, details: str) -> Self:
        """Make a figure that is good when it is high."""
        return cls(what, value, details, _words("at least", bound), bound is None or value >= bound)

    @classmethod
    def at_most(cls, bound: float | None, what: str, value: float, details: str) -> Self:
        """Make a figure that is good when it is low."""
        return cls(what, value, details, _words("at most", bound), bound is None or value <= bound)

    def __str__(self) -> str:
        return f"{self.what}: {self.value:.3g}  ({self.details}; {self.bound}{'' if self.kept else ', NOT KEPT'})"


def _words(comparison: str, bound: float | None) -> str:
    return "no bound" if bound is None else f"{comparison} {bound:.3g}"


def seconds(function: Callable[[], object]) -> float:
    """Time one call."""
    started = perf_counter()
    function()
    return perf_counter() - started


def in_turn(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[float, float, float]:
    """Time two functions A B A B ...; return both medians in seconds and the median of B/A round by round."""
    pairs = pairs_in_turn(first, second, rounds)
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(b / a for a, b in pairs)


def pairs_in_turn(
    first: Callable[[], object], second: Callable[[], object], rounds: int, calls: int = 1
) -> list[tuple[float, float]]:
    """Time two functions, each so many calls on end, A B A B ...; return the seconds of both, call by call.

    The machine's speed drifts over minutes; within one round it hardly does. One uncounted round warms both up. With
    one call on end each finds the processor's caches full of the other's data.
    """
    first()
    second()
    pairs: list[tuple[float, float]] = []
    for _ in range(rounds):
        of_first = [seconds(first) for _ in range(calls)]
        pairs += zip(of_first, [seconds(second) for _ in range(calls)], strict=True)
    return pairs


def p99(times: Sequence[float]) -> float:
    """Return the time that one in a hundred is above."""
    return quantiles(times, n=100)[-1]
