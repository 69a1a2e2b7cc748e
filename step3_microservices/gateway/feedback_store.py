"""Where label feedback is kept: one table of a SQL database, a SQLite file or PostgreSQL, through SQLAlchemy.

Importing SQLAlchemy takes a web process some 25 MB, so `feedback.py` does so when the first feedback comes.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    DateTime,
    Double,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    create_engine,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.schema import CreateTable

from step3_microservices.gateway.feedback_forms import FeedbackRecord, Predicted
from step3_microservices.gateway.problems import NotReadyError

FEEDBACK = Table(
    "feedback",
    MetaData(),
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

_TIMEOUT_S = 5  # to connect, for a free connection, and for SQLite's lock
_RETRY_AFTER_S = 5
_ROWS_AT_ONCE = 50  # of an export: each may hold a picture

_log = logging.getLogger(__name__)


class FeedbackStore:
    """The table. Every method raises NotReadyError where the database cannot be used."""

    def __init__(self, database: str) -> None:
        """Open the database at this URL; make the file, its folder and the table where they are missing."""
        with _explained():
            self._engine = _engine(make_url(database))
            with self._engine.begin() as connection:
                connection.execute(CreateTable(FEEDBACK, if_not_exists=True))

    def find(self, feedback_id: str) -> FeedbackRecord | None:
        """Return what is kept under this id."""
        with _explained(), self._engine.connect() as connection:
            row = connection.execute(select(FEEDBACK).where(FEEDBACK.c.feedback_id == feedback_id)).one_or_none()
        return _record(row) if row else None

    def add(self, record: FeedbackRecord) -> tuple[FeedbackRecord, bool]:
        """Keep a record; return what is kept under its id, and whether it is new."""
        with _explained():
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
        with _explained(), self._engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(FEEDBACK)).scalar_one()

    def records(self) -> Iterator[FeedbackRecord]:
        """Yield everything that is kept, the oldest first, without holding all of it in memory."""
        everything = select(FEEDBACK).order_by(FEEDBACK.c.time, FEEDBACK.c.feedback_id)
        with _explained(), self._engine.connect() as connection:
            rows = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(everything)
            yield from map(_record, rows)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


def _engine(url: URL) -> Engine:
    """Return the engine, which connects when it is first used."""
    options: dict[str, Any] = {"connect_timeout": _TIMEOUT_S}
    if url.get_backend_name() == "sqlite":
        options = {"timeout": _TIMEOUT_S}
        folder = Path(url.database or "").parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # other people's pictures
    engine = create_engine(url, pool_pre_ping=True, pool_timeout=_TIMEOUT_S, hide_parameters=True, connect_args=options)
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _let_readers_and_a_writer_in)
    return engine


def _let_readers_and_a_writer_in(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own
    connection.execute("PRAGMA journal_mode=WAL")  # several web processes write, and an export reads meanwhile


@contextmanager
def _explained() -> Iterator[None]:
    """Tell a client that the database is not there, and the log why: never what was to be stored."""
    try:
        yield
    except (SQLAlchemyError, OSError, ModuleNotFoundError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        _log.warning("the feedback database cannot be used", extra={"fields": {"reason": str(reason).strip()}})
        raise NotReadyError(
            "The database for feedback cannot be used.",
            "Try again later; whoever runs this service finds the reason in its log.",
            _RETRY_AFTER_S,
        ) from error


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
