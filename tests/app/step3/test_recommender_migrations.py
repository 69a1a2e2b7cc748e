"""The tables of the analytics database: made once, by whoever comes first, in SQLite and in PostgreSQL."""

import sqlite3
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from step3_microservices.analytics_database import METADATA, open_database
from step3_microservices.gateway.feedback_store import FEEDBACK, FeedbackStore
from step3_microservices.gateway.problems import NotReadyError
from step3_microservices.recommender.event_store import EVENTS, EventStore
from tests.app.serving import ROOT, wait_until
from tests.app.step3.events_system import kept

AT_ONCE = 4
OPEN = """
import sys, time
from pathlib import Path
from step3_microservices.analytics_database import open_database
Path(sys.argv[2]).touch()
while not Path(sys.argv[3]).exists(): time.sleep(0.001)
open_database(sys.argv[1])
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/made when needed/with 100% care/analytics.sqlite"
    return request.getfixturevalue("postgresql").new_database()


def test_migrations_make_the_tables_that_the_code_works_with(database):
    engine = open_database(database)

    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), METADATA)

    engine.dispose()
    assert {FEEDBACK.name, EVENTS.name} == {*METADATA.tables}
    assert differences == []


def test_several_processes_may_come_to_an_empty_database_at_once(database, tmp_path):
    go = tmp_path / "go"
    ready = [tmp_path / f"ready-{number}" for number in range(AT_ONCE)]
    processes = [
        subprocess.Popen([sys.executable, "-c", OPEN, database, str(one), str(go)], cwd=ROOT, stderr=subprocess.PIPE)
        for one in ready
    ]
    wait_until(lambda: all(one.exists() for one in ready))
    go.touch()

    errors = [process.communicate(timeout=60)[1].decode() for process in processes]

    assert [process.returncode for process in processes] == [0] * AT_ONCE, errors
    store = EventStore(database)
    assert store.add([kept(1)]) == 1
    store.close()


def test_a_database_with_feedback_of_before_the_migrations_keeps_it(tmp_path):
    file = tmp_path / "analytics.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute(
            "CREATE TABLE feedback (feedback_id VARCHAR(64) NOT NULL PRIMARY KEY, picture VARCHAR(64) NOT NULL, "
            "label TEXT NOT NULL, class_index INTEGER NOT NULL, comment TEXT NOT NULL, time DATETIME NOT NULL, "
            "predicted_label TEXT, probability DOUBLE, model_version TEXT, image_png BLOB)"
        )
        connection.execute(
            "INSERT INTO feedback VALUES ('a', 'b', 'tabby', 281, '', '2026-01-01 00:00:00', '', 0, '', '')"
        )
    connection.close()

    store = FeedbackStore(f"sqlite:///{file}")

    kept_before = store.find("a")
    store.close()
    assert kept_before is not None
    assert kept_before.label == "tabby"


def test_events_of_before_experiments_were_told_apart_are_kept(database):
    engine = open_database(database)
    with engine.begin() as connection:
        for column in ("experiment", "control_share"):
            connection.execute(text(f"ALTER TABLE events DROP COLUMN {column}"))
        connection.execute(text("UPDATE alembic_version SET version_num = 'events'"))
        row = kept(1).columns()
        del row["experiment"], row["control_share"]
        connection.execute(EVENTS.insert().values(row))
    engine.dispose()

    store = EventStore(database)

    (before,) = store.of_day(kept(1).time.date())
    assert (before.event.event_id, before.event.experiment) == ("impression-1", None)
    assert store.add([kept(1), kept(2)]) == 1
    store.close()


def test_a_database_of_a_newer_version_is_left_alone(database):
    engine = open_database(database)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'of tomorrow'"))
    engine.dispose()

    with pytest.raises(NotReadyError, match="newer version"):
        open_database(database)


def test_a_database_that_cannot_be_is_told_in_a_sentence(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(NotReadyError, match="cannot be used"):
        open_database(f"sqlite:///{tmp_path}/file/analytics.sqlite")
