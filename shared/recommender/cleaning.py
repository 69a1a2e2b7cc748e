"""One program that cleans logs, written in Ibis and run by whichever engine: on one machine, or on a cluster.

::

    rows ──judge──▶ judged ──┬─ kept ──▶ pairs       one row for each day, user, item and country
                             ├─ dropped ▶ rejected   as they came, with the reason
                             └─────────▶ counts      how many rows for each day and reason

`rows` has a column for each of the logs' and `day`, that of the folder; all are text. The engine keeps `judged`, so
that logs are read once.
"""

from dataclasses import dataclass
from functools import cache, reduce
from operator import and_
from typing import Any, Literal

import ibis

from shared.recommender import cleaning_rules as rules
from shared.recommender.logs import COLUMNS

Dialect = Literal["duckdb", "pyspark"]
Table = Any  # Ibis has no types that mypy could read
Text = Any

ROWS, JUDGED = "rows", "judged"
_BETWEEN_COLUMNS = "\x1f"


@dataclass(frozen=True)
class Program:
    """The program in one engine's SQL. `judged` reads the table `rows`, the others read the table `judged`."""

    judged: str
    pairs: str
    rejected: str
    counts: str


@cache
def program(dialect: Dialect) -> Program:
    """Write the program for an engine."""
    rows = ibis.table({"day": "string"} | dict.fromkeys(COLUMNS, "string"), name=ROWS)
    judged = judge(rows)
    kept = ibis.table(judged.schema(), name=JUDGED)
    texts = (judged, pairs(kept), rejected(kept), counts(kept))
    return Program(*(str(ibis.to_sql(table, dialect=dialect)) for table in texts))


def judge(rows: Table) -> Table:
    """Add to each row why it is dropped (`reason`, null where it is kept) and its normalised country (`home`)."""
    shaped = rows.mutate(misshapen=_misshapen(rows), home=_home(rows.country), key=_key(rows))
    # Dropped rows have a group of their own in each window: a row that is malformed is nobody's original.
    same = ibis.window(
        group_by=[shaped.day, shaped.misshapen, shaped.key],
        order_by=[shaped[name] for name in ("time", "user_id", "event", "item_id", "country", "query")],
    )
    counted = shaped.mutate(is_repeated=shaped.misshapen.isnull() & (ibis.row_number().over(same) > 0))
    of_one_user = ibis.window(group_by=[counted.day, counted.misshapen, counted.is_repeated, counted.user_id])
    totals = counted.mutate(events_of_user=counted.count().over(of_one_user))
    is_bot = totals.events_of_user > rules.EVENTS_A_PERSON_CAN_MAKE
    reason = ibis.cases(
        (totals.misshapen.notnull(), totals.misshapen),
        (totals.is_repeated, rules.DUPLICATE),
        (is_bot, rules.BOT),
        else_=ibis.null("string"),
    )
    return totals.mutate(reason=reason).select("day", *COLUMNS, "home", "reason")


def pairs(judged: Table) -> Table:
    """Add up what somebody did with an item in a country on a day; events that weigh nothing leave no trace."""
    weighing = {event: halves for event, halves in rules.HALF_WEIGHTS.items() if halves}
    kept = judged.filter(judged.reason.isnull() & judged.event.isin(list(weighing)))
    halves = ibis.cases(*((kept.event == event, halves) for event, halves in weighing.items()))
    grouped = kept.group_by("day", "user_id", country=kept.home, item_id=kept.item_id)
    return grouped.aggregate(weight=halves.sum().cast("float64") / 2, events=kept.count())


def rejected(judged: Table) -> Table:
    """Return what was dropped, as it came, with the reason."""
    return judged.filter(judged.reason.notnull()).select("day", *COLUMNS, "reason")


def counts(judged: Table) -> Table:
    """Count rows by day and reason, null for those kept."""
    return judged.group_by("day", "reason").aggregate(rows=judged.count())


def _misshapen(rows: Table) -> Text:
    """Return which rule a row breaks that shows in this row alone, or null."""
    time, event = rows.time.fill_null(""), rows.event.fill_null("")
    item = rows.item_id.fill_null("")
    needs_item = (event != rules.SEARCH) | (item != "")
    return ibis.cases(
        (reduce(and_, (rows[name].isnull() for name in COLUMNS)), rules.BROKEN_LINE),
        (~(time.re_search(rules.TIME) & (time.length() == rules.TIME_LENGTH)), rules.MALFORMED_TIME),
        (time.left(10) != rows.day, rules.OTHER_DAY),
        (~_is_id(rows.user_id), rules.MALFORMED_USER),
        (~event.isin(list(rules.HALF_WEIGHTS)), rules.UNKNOWN_EVENT),
        (needs_item & ~_is_id(rows.item_id), rules.MALFORMED_ITEM),
        else_=ibis.null("string"),
    )


def _is_id(column: Text) -> Text:
    text = column.fill_null("")
    return text.length().between(1, rules.LONGEST_ID) & ~text.re_search(rules.NOT_IN_AN_ID)


def _home(country: Text) -> Text:
    # Only then in capitals: some letters become two in one engine, and ASCII ones in another.
    text = country.fill_null("")
    is_code = (text.length() == 2) & ~text.re_search(rules.NOT_A_LETTER)  # noqa: PLR2004 - ISO 3166 alpha-2
    code = text.upper().substitute(rules.OTHER_NAMES)
    return ibis.ifelse(is_code & code.isin(list(rules.COUNTRIES)), code, rules.UNKNOWN_COUNTRY)


def _key(rows: Table) -> Text:
    """Return what two rows of one event have in common."""
    whole = ibis.literal(_BETWEEN_COLUMNS).join([rows[name].fill_null("") for name in COLUMNS])
    return ibis.ifelse(_is_id(rows.event_id), rows.event_id, whole)
