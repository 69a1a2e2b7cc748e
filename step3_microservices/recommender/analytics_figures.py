"""The figures of what came of the recommendations: rates with their intervals, and the ratio of the arms."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from math import inf
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from step3_microservices.gateway.problems import NotReadyError
from step3_microservices.recommender.click_rates import Cell, Outcome, outcomes_by

if TYPE_CHECKING:
    from step3_microservices.recommender.event_store import EventStore

_PATIENCE_S = 1.0


class AnalyticsQuery(BaseModel, extra="forbid"):
    """What to tell of."""

    days: int = Field(default=28, ge=1, le=366, description="So many days, of which today is the last; in UTC")


class RateJson(BaseModel):
    """Clicks per impression, with the bounds of a 95% interval; each item of a list counts once."""

    impressions: int
    clicks: int
    dismissals: int
    rate: float | None
    low: float
    high: float


class SampleRatioJson(BaseModel, from_attributes=True):
    """Users of each arm against the share they should have; `is_off`: do not trust a comparison of the arms."""

    experiment: str
    control_users: int
    collaborative_users: int
    control_share: float
    chi_square: float | None
    p_value: float | None
    is_off: bool


class AnalyticsJson(BaseModel):
    """All figures; an unknown country is called by an empty text."""

    since: date
    until: date
    total: RateJson
    by_arm: dict[str, RateJson]
    by_position: dict[str, RateJson]
    by_country: dict[str, RateJson]
    by_day: dict[str, RateJson]
    answered_unseen: int = Field(description="Items that were clicked or dismissed, of which no impression has come")
    sample_ratios: list[SampleRatioJson] = Field(
        description="One for each experiment and share in control that users were dealt into arms by"
    )


class Analytics:
    """The figures; the database is opened when somebody asks for the first time.

    They take some seconds for each million events, so they are kept for `keep_s` seconds, and made once at a time.
    """

    def __init__(self, database: str, *, keep_s: float = 10.0) -> None:
        """Read them from the database at this URL."""
        self._database = database
        self._keep_s = keep_s
        self._kept: dict[int, tuple[float, AnalyticsJson]] = {}
        self._lock = Lock()
        self._opened: EventStore | None = None

    def figures(self, days: int) -> AnalyticsJson:
        """Return what is known of the last days, as of some seconds ago.

        Raises NotReadyError where the database cannot be used, and while somebody else has the figures added up for
        the first time: those who wait would soon have every thread of the service, and nobody would recommend.
        """
        if figures := self._known(days, self._keep_s):
            return figures
        if not self._lock.acquire(timeout=_PATIENCE_S):
            if figures := self._known(days, inf):
                return figures
            raise NotReadyError("The figures are being added up.", "Open this again in a few seconds.", 5)
        try:
            if figures := self._known(days, self._keep_s):
                return figures
            figures = self._add_up(days)
            self._kept[days] = monotonic(), figures
            return figures
        finally:
            self._lock.release()

    def _known(self, days: int, age_s: float) -> AnalyticsJson | None:
        made_at, figures = self._kept.get(days, (-inf, None))
        return figures if monotonic() - made_at <= age_s else None

    def close(self) -> None:
        """Give the connections back."""
        if self._opened:
            self._opened.close()

    def _add_up(self, days: int) -> AnalyticsJson:
        from step3_microservices.recommender.event_store import EventStore  # noqa: PLC0415 - SQLAlchemy is large

        self._opened = store = self._opened or EventStore(self._database)
        until = datetime.now(UTC).date()
        since = until - timedelta(days=days - 1)
        cells, ratios = store.outcomes(since), store.sample_ratios(since)
        total = sum((cell.outcome for cell in cells), Outcome())
        return AnalyticsJson(
            since=since,
            until=until,
            total=_rate(total),
            by_arm=_rates(lambda cell: cell.arm, cells),
            by_position=_rates(lambda cell: f"{cell.position}", sorted(cells, key=lambda cell: cell.position)),
            by_country=_by_impressions(_rates(lambda cell: cell.country, cells)),
            by_day=_rates(lambda cell: f"{cell.day}", sorted(cells, key=lambda cell: cell.day)),
            answered_unseen=total.unseen,
            sample_ratios=[SampleRatioJson.model_validate(ratio) for ratio in ratios],
        )


def _rates(key: Callable[[Cell], str], cells: list[Cell]) -> dict[str, RateJson]:
    return {name: _rate(outcome) for name, outcome in outcomes_by(key, cells).items()}


def _rate(outcome: Outcome) -> RateJson:
    counts = {"impressions": outcome.impressions, "clicks": outcome.clicks, "dismissals": outcome.dismissals}
    low, high = outcome.interval
    return RateJson(**counts, rate=outcome.rate, low=low, high=high)


def _by_impressions(rates: dict[str, RateJson]) -> dict[str, RateJson]:
    return dict(sorted(rates.items(), key=lambda item: (-item[1].impressions, item[0])))
