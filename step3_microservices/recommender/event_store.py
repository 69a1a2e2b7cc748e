"""Where events are kept: one table of the analytics database, in which each event id is there once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Self

from sqlalchemy import Column, Date, DateTime, Double, Index, Integer, Row, String, Table, case, func, select
from sqlalchemy.dialects import postgresql, sqlite

from step3_microservices.analytics_database import METADATA, explained, open_database
from step3_microservices.recommender.click_rates import Cell, Outcome
from step3_microservices.recommender.event_forms import CLICK, DISMISS, IMPRESSION, Event
from step3_microservices.recommender.experiment import COLLABORATIVE, CONTROL, SampleRatio

EVENTS = Table(
    "events",
    METADATA,
    Column("event_id", String(64), primary_key=True),
    Column("event", String(16), nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),  # UTC; SQLite keeps no zone
    Column("received", DateTime(timezone=True), nullable=False),
    Column("day", Date, nullable=False),  # of the time, in UTC: databases do not agree on how to cut it out
    Column("user_id", String(64)),
    Column("country", String(2)),
    Column("item_id", String(64), nullable=False),
    Column("slot", String(16), nullable=False),
    Column("position", Integer, nullable=False),
    Column("arm", String(32), nullable=False),
    Column("experiment", String(64)),  # which dealt the arm, with that share in control
    Column("control_share", Double),
    Column("model_version", String(64), nullable=False),
    Column("list_id", String(64), nullable=False),
    Index("events_by_day", "day"),
)

_ROWS_AT_ONCE = 5000  # of an export
_RATIOS_AT_MOST = 10


@dataclass(frozen=True)
class KeptEvent:
    """An event as it is kept: its form, when it happened as far as that can be known, and when it came; in UTC."""

    event: Event
    time: datetime
    received: datetime

    @classmethod
    def from_form(cls, event: Event, received: datetime) -> Self:
        """Take over what came at that time."""
        return cls(event, event.at(received), received)

    def columns(self) -> dict[str, Any]:
        """Return the row."""
        times = {"time": self.time, "received": self.received, "day": self.time.date()}
        return self.event.model_dump() | times


class EventStore:
    """The table. Every method raises NotReadyError where the database cannot be used."""

    def __init__(self, database: str) -> None:
        """Open the database at this URL; make the file, its folder and the tables where they are missing."""
        self._engine = open_database(database)
        dialect = sqlite if self._engine.dialect.name == "sqlite" else postgresql
        self._add = dialect.insert(EVENTS).on_conflict_do_nothing().returning(EVENTS.c.event_id)

    def add(self, events: Sequence[KeptEvent]) -> int:
        """Keep what is new, all of it or nothing; return how much that was."""
        with explained(), self._engine.begin() as connection:
            return len(connection.execute(self._add, [event.columns() for event in events]).all())

    def count(self) -> int:
        """Return how many events there are."""
        with explained(), self._engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(EVENTS)).scalar_one()

    def outcomes(self, since: date) -> list[Cell]:
        """Return what became of the items shown from that day on, by arm, position, country and day."""
        kinds = {kind: func.max(_is(kind)).label(kind) for kind in (IMPRESSION, CLICK, DISMISS)}
        # Of one list's item, the page may send several clicks, and sometimes a click and no impression.
        places = [func.min(EVENTS.c[name]).label(name) for name in ("arm", "position", "country", "day")]
        items = select(*places, *kinds.values()).where(EVENTS.c.day >= since).group_by(*_ITEM_OF_A_LIST).subquery()
        cut = [items.c.arm, items.c.position, items.c.country, items.c.day]
        seen = items.c[IMPRESSION]
        counted = {"impressions": seen, "clicks": seen * items.c[CLICK], "dismissals": seen * items.c[DISMISS]}
        sums = [func.sum(what).label(name) for name, what in (counted | {"unseen": 1 - seen}).items()]
        with explained(), self._engine.connect() as connection:
            return [_cell(row) for row in connection.execute(select(*cut, *sums).group_by(*cut))]

    def sample_ratios(self, since: date) -> list[SampleRatio]:
        """Return how many users of each arm have seen something from that day on, for each way the arms were dealt.

        Those with the most users are first, and no more than a page can show: what a client sends may be anything.
        """
        control, other = (
            func.count(case((EVENTS.c.arm == arm, EVENTS.c.user_id)).distinct()) for arm in (CONTROL, COLLABORATIVE)
        )
        dealt = (EVENTS.c.control_share, EVENTS.c.experiment)
        query = select(control, other, *dealt).group_by(*dealt).order_by((control + other).desc(), *dealt)
        known = (column.is_not(None) for column in (*dealt, EVENTS.c.user_id))
        seen = query.where(EVENTS.c.day >= since, EVENTS.c.event == IMPRESSION, *known).limit(_RATIOS_AT_MOST)
        with explained(), self._engine.connect() as connection:
            return [SampleRatio(*row) for row in connection.execute(seen)]

    def days(self) -> list[tuple[date, int]]:
        """Return the days that there are events of, the oldest first, and how many."""
        query = select(EVENTS.c.day, func.count()).group_by(EVENTS.c.day).order_by(EVENTS.c.day)
        with explained(), self._engine.connect() as connection:
            return [(day, count) for day, count in connection.execute(query)]

    def of_day(self, day: date) -> Iterator[KeptEvent]:
        """Yield a day's events, the oldest first, without holding all of them in memory."""
        query = select(EVENTS).where(EVENTS.c.day == day).order_by(EVENTS.c.time, EVENTS.c.event_id)
        with explained(), self._engine.connect() as connection:
            yield from map(_kept, connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query))

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


_ITEM_OF_A_LIST = (EVENTS.c.list_id, EVENTS.c.item_id)


def _is(kind: str) -> Any:  # noqa: ANN401 - SQLAlchemy's own
    """Return an expression that is 1 for events of that kind, and 0 for others."""
    return case((EVENTS.c.event == kind, 1), else_=0)


def _cell(row: Row[Any]) -> Cell:
    sums = (row.impressions, row.clicks, row.dismissals, row.unseen)  # PostgreSQL's are decimals
    return Cell(row.arm, row.position, row.country or "", row.day, Outcome(*map(int, sums)))


def _kept(row: Row[Any]) -> KeptEvent:
    fields = dict(row._mapping)
    time, received = (_utc(fields.pop(name)) for name in ("time", "received"))
    del fields["day"]
    return KeptEvent(Event.model_construct(time=time, **fields), time, received)


def _utc(time: datetime) -> datetime:
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
