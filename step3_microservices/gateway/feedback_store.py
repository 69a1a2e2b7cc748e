"""Where label feedback is kept: one table of the analytics database, through SQLAlchemy.

`feedback.py` imports this when the first feedback comes: SQLAlchemy is large.
"""

from collections.abc import Iterator
from datetime import UTC
from typing import Any

from sqlalchemy import Column, DateTime, Double, Integer, LargeBinary, Row, String, Table, Text, func, insert, select
from sqlalchemy.exc import IntegrityError

from step3_microservices.analytics_database import METADATA, explained, open_database
from step3_microservices.gateway.feedback_forms import FeedbackRecord, Predicted

FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("feedback_id", String(64), primary_key=True),
    Column("picture", String(64), nullable=False),  # SHA-256 of the model's input
    Column("label", Text, nullable=False),
    Column("class_index", Integer, nullable=False),
    Column("comment", Text, nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),  # UTC; SQLite keeps no zone
    Column("predicted_label", Text),
    Column("probability", Double),
    Column("model_version", Text),
    Column("image_png", LargeBinary),
)

_ROWS_AT_ONCE = 50  # of an export: each may hold a picture


class FeedbackStore:
    """The table. Every method raises NotReadyError where the database cannot be used."""

    def __init__(self, database: str) -> None:
        """Open the database at this URL; make the file, its folder and the tables where they are missing."""
        self._engine = open_database(database)

    def find(self, feedback_id: str) -> FeedbackRecord | None:
        """Return what is kept under this id."""
        with explained(), self._engine.connect() as connection:
            row = connection.execute(select(FEEDBACK).where(FEEDBACK.c.feedback_id == feedback_id)).one_or_none()
        return _record(row) if row else None

    def add(self, record: FeedbackRecord) -> tuple[FeedbackRecord, bool]:
        """Keep a record; return what is kept under its id, and whether it is new."""
        with explained():
            try:
                with self._engine.begin() as connection:
                    connection.execute(insert(FEEDBACK).values(_columns(record)))
            except IntegrityError:  # the same id came twice at the same moment
                kept = self.find(record.feedback_id)
                if kept is None:
                    raise
                return kept, False
        return record, True

    def count(self) -> int:
        """Return how much feedback there is."""
        with explained(), self._engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(FEEDBACK)).scalar_one()

    def records(self) -> Iterator[FeedbackRecord]:
        """Yield everything that is kept, the oldest first, without holding all of it in memory."""
        everything = select(FEEDBACK).order_by(FEEDBACK.c.time, FEEDBACK.c.feedback_id)
        with explained(), self._engine.connect() as connection:
            rows = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(everything)
            yield from map(_record, rows)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


def _columns(record: FeedbackRecord) -> dict[str, Any]:
    predicted = record.predicted
    return {
        "feedback_id": record.feedback_id,
        "picture": record.picture,
        "label": record.label,
        "class_index": record.class_index,
        "comment": record.comment,
        "time": record.time,
        "predicted_label": predicted.label if predicted else None,
        "probability": predicted.probability if predicted else None,
        "model_version": predicted.model_version if predicted else None,
        "image_png": record.image_png,
    }


def _record(row: Row[Any]) -> FeedbackRecord:
    time = row.time.astimezone(UTC) if row.time.tzinfo else row.time.replace(tzinfo=UTC)
    guess = Predicted(row.predicted_label, row.probability, row.model_version) if row.predicted_label else None
    own = (row.feedback_id, row.picture, row.label, row.class_index, row.comment)
    return FeedbackRecord(*own, time=time, predicted=guess, image_png=row.image_png)
