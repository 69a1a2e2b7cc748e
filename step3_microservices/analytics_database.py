"""The database of what people say and do: label feedback, and responses to recommendations; SQLite or PostgreSQL.

Importing SQLAlchemy and Alembic takes a web process some 30 MB, so what serves does so when it first needs a table.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from step3_microservices.gateway.problems import NotReadyError

METADATA = MetaData()  # of every table; a test holds it against what the migrations make

_MIGRATIONS = Path(__file__).with_name("migrations")
_UPGRADE_LOCK = 3_114_260_715  # of PostgreSQL, which knows such locks by number: any that nobody else takes
_TIMEOUT_S = 5  # to connect, for a free connection, and for SQLite's lock
_RETRY_AFTER_S = 5

_one_upgrade_at_once = Lock()  # Alembic keeps what it works on in variables of its module
_log = logging.getLogger(__name__)


def open_database(database: str) -> Engine:
    """Return the database at this URL with its tables as this program needs them; what is missing is made.

    Raises NotReadyError where it cannot be used.
    """
    with explained():
        engine = _engine(make_url(database))
        try:
            with _one_upgrade_at_once:
                _upgrade(engine)
        except BaseException:
            engine.dispose()
            raise
        return engine


@contextmanager
def explained() -> Iterator[None]:
    """Tell a client that the database is not there, and the log why: never what was to be stored."""
    try:
        yield
    except (SQLAlchemyError, OSError, ModuleNotFoundError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        _log.warning("the analytics database cannot be used", extra={"fields": {"reason": str(reason).strip()}})
        raise NotReadyError(
            "The database for feedback and events cannot be used.",
            "Try again later; whoever runs this service finds the reason in its log.",
            _RETRY_AFTER_S,
        ) from error


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
    connection.execute("PRAGMA journal_mode=WAL")  # several processes write, and a page or an export reads meanwhile


def _upgrade(engine: Engine) -> None:
    """Apply the migrations that are missing; of several processes that come at once, one does and the rest wait."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        if _revision(connection) == script.get_current_head():
            return
    with engine.connect() as connection:
        _lock(connection)
        _check_known(_revision(connection), script)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def _lock(connection: Connection) -> None:
    """Begin a transaction that nobody else can be in; its end, by whatever, gives the lock back."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _UPGRADE_LOCK})


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _check_known(revision: str | None, script: ScriptDirectory) -> None:
    if revision is not None and revision not in {known.revision for known in script.walk_revisions()}:
        _log.warning("the analytics database is newer", extra={"fields": {"revision": revision}})
        detail = "The database for feedback and events was made by a newer version of this program."
        raise NotReadyError(detail, "Update this program, or name another database.", _RETRY_AFTER_S)
