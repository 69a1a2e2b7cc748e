"""What became of the rows: in = kept + dropped by each rule, for each day and in total, or cleaning has failed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from shared.errors import ExpectedError
from shared.recommender.cleaning_rules import REASONS, RULES_VERSION


class CleaningError(ExpectedError):
    """The result cannot be trusted, so nothing of it was published."""

    code = "cleaning_failed"


@dataclass(frozen=True)
class DayReport:
    """What became of one day's rows. It holds while logs and rules stay the same."""

    day: str
    rows_in: int
    kept: int
    pairs: int
    log_bytes: int
    dropped: dict[str, int] = field(default_factory=dict)
    rules_version: int = RULES_VERSION

    def to_json(self) -> str:
        """Return what `from_json` reads."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | None) -> "DayReport | None":
        """Read a report; None where there is none, or none that can be read: that day is to be cleaned again."""
        try:
            return cls(**json.loads(text)) if text else None
        except (ValueError, TypeError):
            return None


def day_report(
    day: str, rows_in: int, counts: Mapping[tuple[str, str | None], int], pairs: int, log_bytes: int
) -> DayReport:
    """Balance a day; raise CleaningError where rows were lost or became more."""
    dropped = {reason: counts.get((day, reason), 0) for reason in REASONS}
    kept = counts.get((day, None), 0)
    total = sum(rows for (of_day, _), rows in counts.items() if of_day == day)
    if not rows_in == total == kept + sum(dropped.values()):
        raise CleaningError(
            f"{day}: {rows_in} rows came in, {kept} were kept and {sum(dropped.values())} dropped.",
            "If nobody was writing these logs meanwhile, the cleaning program is at fault.",
        )
    return DayReport(day, rows_in, kept, pairs, log_bytes, dropped)


def report_json(days: Sequence[DayReport]) -> str:
    """Return the report on all days that are cleaned, as JSON."""
    total = {"days": len(days)} | _sums(days) | {"dropped": _dropped(days)}
    by_day = {day.day: _figures(day) for day in sorted(days, key=lambda day: day.day)}
    return json.dumps({"total": total, "days": by_day}, indent=2) + "\n"


def table_lines(days: Sequence[DayReport]) -> list[str]:
    """Return the balance as lines of text for a terminal."""
    sums = _sums(days)
    rows = [("rows in", sums["rows_in"]), *((f"- {name}", rows) for name, rows in _dropped(days).items() if rows)]
    rows += [("= kept", sums["kept"]), ("pairs", sums["pairs"])]
    return [f"{name:<18}{rows:>15,}" for name, rows in rows]


def _sums(days: Sequence[DayReport]) -> dict[str, int]:
    return {name: sum(getattr(day, name) for day in days) for name in ("rows_in", "kept", "pairs")}


def _dropped(days: Sequence[DayReport]) -> dict[str, int]:
    return {reason: sum(day.dropped.get(reason, 0) for day in days) for reason in REASONS}


def _figures(day: DayReport) -> dict[str, object]:
    return {"rows_in": day.rows_in, "kept": day.kept, "pairs": day.pairs, "dropped": day.dropped}
