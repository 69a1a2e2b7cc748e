"""Rates as lines of SVG: where each lies, and how far chance alone may have moved it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from step3_microservices.recommender.analytics_figures import RateJson

_ENOUGH = 100  # impressions; with fewer an interval is so wide that next to it no other could be told from zero
_TOPS = tuple(step * 10.0**power for power in range(-4, 0) for step in (1, 2, 5))


class Paths(NamedTuple):
    """Two SVG paths in a square of 100 by 100: the intervals, and the rates."""

    intervals: str
    rates: str


def scale_of(rates: Collection[RateJson]) -> float:
    """Return the rate at the end of an axis: a round one, above the intervals of all that have enough impressions."""
    seen = [rate for rate in rates if rate.impressions]
    highest = max((rate.high for rate in [one for one in seen if one.impressions >= _ENOUGH] or seen), default=1.0)
    return next((top for top in _TOPS if top >= highest), 1.0)


def interval_line(rate: RateJson, scale: float) -> Paths:
    """Return one rate on a line from left to right; what lies beyond the scale is cut."""
    if rate.rate is None:
        return Paths("", "")
    low, high, middle = (min(100.0, 100 * value / scale) for value in (rate.low, rate.high, rate.rate))
    return Paths(f"M{low:.2f} 50H{high:.2f}", f"M{middle:.2f} 15V85")


def day_chart(rates: Mapping[str, RateJson], since: date, until: date, scale: float) -> Paths:
    """Return the days from left to right, each with its interval; days without impressions leave a gap."""
    days = [since + timedelta(days=number) for number in range((until - since).days + 1)]
    columns = [(100 * (number + 0.5) / len(days), rates.get(f"{day}")) for number, day in enumerate(days)]
    seen = [(x, rate) for x, rate in columns if rate and rate.rate is not None]
    intervals = "".join(f"M{x:.2f} {_y(rate.low, scale)}V{_y(rate.high, scale)}" for x, rate in seen)
    return Paths(intervals, "".join(_joined(columns, scale)))


def percent(share: float | None) -> str:
    """Return a rate in words."""
    if share is None:
        return "none"
    return f"{share:.2%}" if share < 0.1 else f"{share:.1%}"  # noqa: PLR2004 - three digits either way


def _joined(columns: Sequence[tuple[float, RateJson | None]], scale: float) -> Iterable[str]:
    is_gap = True
    for x, rate in columns:
        if rate is None or rate.rate is None:
            is_gap = True
            continue
        yield f"{'M' if is_gap else 'L'}{x:.2f} {_y(rate.rate, scale)}"
        is_gap = False


def _y(share: float, scale: float) -> str:
    return f"{max(0.0, 100 - 100 * share / scale):.2f}"
