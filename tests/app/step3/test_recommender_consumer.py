"""The consumer: every event ends in the database once, whatever is killed or gone for a while."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from step3_microservices.recommender.event_store import EventStore
from step3_microservices.recommender.event_stream import EventReader, EventStream
from tests.app.serving import wait_until
from tests.app.step3.events_system import (
    CONSUMER,
    KEY,
    all_written,
    an_event,
    consuming,
    kept,
)
from tests.app.step3.system import redis_server
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def stream(redis):
    redis.client.flushall()
    return EventStream(redis.client)


@pytest.fixture
def file(tmp_path):
    return f"sqlite:///{tmp_path}/analytics.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, file):
    store = EventStore(file if request.param == "sqlite" else request.getfixturevalue("postgresql").new_database())
    yield store
    store.close()


def numbers(start, count):
    return [an_event(number) for number in range(start, start + count)]


# --- the table -------------------------------------------------------------------------------------------------------


def test_an_event_is_kept_once_however_often_it_comes(store):
    events = [kept(number) for number in range(1200)]

    added = [store.add([*events, events[0]]), store.add(events[600:]), store.add([*events, kept(1200)])]

    assert added == [1200, 0, 1]
    assert store.count() == 1201


def test_what_is_kept_is_what_was_sent(store):
    at = datetime(2026, 11, 27, 23, 59, 59, 500_000, UTC)
    sent = [kept(1, "click", at), kept(2, "dismiss", at + timedelta(seconds=1), user_id=None, country=None)]

    store.add(sent)

    assert store.days() == [(at.date(), 1), (at.date() + timedelta(days=1), 1)]
    assert [event for day, _ in store.days() for event in store.of_day(day)] == sent


@pytest.mark.parametrize(
    ("sent", "is_believed"),
    [("2026-11-27T10:00:00+05:00", True), ("2026-11-26T12:30:00Z", True), ("1970-01-01T00:00:00Z", False)],
)
def test_the_time_of_a_browser_whose_clock_is_off_is_not_believed(sent, is_believed):
    received = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)

    at = an_event(1, time=sent).at(received)

    assert at == (datetime.fromisoformat(sent) if is_believed else received)
    assert at.tzinfo == UTC


# --- the consumer ----------------------------------------------------------------------------------------------------


def test_events_are_written_and_leave_the_stream(stream, redis, file, tmp_path):
    stream.add(numbers(0, 50))  # before anybody is there to take them
    with consuming(tmp_path, redis.url, file):
        store = EventStore(file)
        wait_until(lambda: all_written(redis.client, store, 50))
        stream.add(numbers(25, 50))
        wait_until(lambda: all_written(redis.client, store, 75))
    store.close()

    assert redis.client.xinfo_groups(KEY)[0]["pending"] == 0


def test_what_a_killed_consumer_had_taken_is_written_once_by_another(stream, redis, file, tmp_path):
    store = EventStore(file)
    stream.add(numbers(0, 30))
    for name, is_written in (("killed before it wrote", False), ("killed after it wrote", True)):
        reader = EventReader(redis.client, name, at_once=10)
        reader.join()
        entries = reader.take(1)
        if is_written:
            store.add([kept(number) for number in range(10, 20)])
        assert len(entries) == 10

    with consuming(tmp_path, redis.url, file, CLAIM_AFTER_S="0.5") as consumer:
        wait_until(lambda: all_written(redis.client, store, 30))

    store.close()
    assert '"written": 20, "known": 10, "refused": 0' in consumer.log


def test_sigterm_ends_it_within_moments_and_its_name_is_forgotten(stream, redis, file, tmp_path):
    stream.add(numbers(0, 5))
    with consuming(tmp_path, redis.url, file) as consumer:
        store = EventStore(file)
        wait_until(lambda: all_written(redis.client, store, 5))
        store.close()

        consumer.process.send_signal(signal.SIGTERM)
        code = consumer.process.wait(timeout=20)

    assert code == 0
    assert redis.client.xinfo_consumers(KEY, "analytics") == []
    assert [json.loads(line)["message"] for line in consumer.log.splitlines()][-1] == "stopped"


def test_what_is_no_event_is_logged_and_holds_nothing_up(stream, redis, file, tmp_path):
    stream.add(numbers(0, 2))
    redis.client.xadd(KEY, {"event": '{"event_id": "of another version"}'})
    redis.client.xadd(KEY, {"something": "else"})
    stream.add(numbers(2, 2))

    with consuming(tmp_path, redis.url, file) as consumer:
        store = EventStore(file)
        wait_until(lambda: all_written(redis.client, store, 4))
        store.close()

    assert consumer.log.count('"no event"') == 2
    assert "of another version" in consumer.log


def test_while_the_database_is_gone_events_wait(stream, redis, postgresql, tmp_path):
    database = postgresql.new_database()
    with consuming(tmp_path, redis.url, database) as consumer:
        store = EventStore(database)
        stream.add(numbers(0, 10))
        wait_until(lambda: all_written(redis.client, store, 10))
        postgresql.stop()
        stream.add(numbers(10, 700))
        wait_until(lambda: '"waiting"' in consumer.log)
        stream.add(numbers(710, 10))
        waiting = stream.backlog().events
        postgresql.start()
        wait_until(lambda: "working again" in consumer.log and all_written(redis.client, store, 720))
        store.close()

    assert waiting == 710
    assert consumer.log.count('"waiting"') == consumer.log.count('"working again"') == 1, "once for each outage"
    assert "Traceback" not in consumer.log


def test_a_database_that_cannot_be_opened_is_tried_again(stream, redis, tmp_path):
    stream.add(numbers(0, 10))
    in_its_way = tmp_path / "folder"
    in_its_way.touch()
    database = f"sqlite:///{in_its_way}/analytics.sqlite"

    with consuming(tmp_path, redis.url, database) as consumer:
        wait_until(lambda: '"waiting"' in consumer.log)
        in_its_way.unlink()
        wait_until(lambda: "working again" in consumer.log)
        store = EventStore(database)
        wait_until(lambda: all_written(redis.client, store, 10))
        store.close()


@pytest.mark.parametrize("is_persistent", [True, False])
def test_while_redis_is_gone_it_waits_and_takes_up_what_redis_remembers(tmp_path, file, is_persistent):
    folder = tmp_path / "redis"
    folder.mkdir()
    store = EventStore(file)
    with redis_server(folder, is_persistent=is_persistent) as redis:
        stream = EventStream(redis.client)
        with consuming(tmp_path, redis.url, file) as consumer:
            stream.add(numbers(0, 10))
            wait_until(lambda: all_written(redis.client, store, 10))
            redis.stop()
            wait_until(lambda: '"waiting"' in consumer.log)
            redis.start()
            stream.add(numbers(10, 10))
            wait_until(lambda: all_written(redis.client, store, 20))
    store.close()

    assert consumer.log.count('"working again"') == 1
    assert "Traceback" not in consumer.log


@pytest.mark.parametrize("setting", [{"REDIS_URL": "here"}, {"ANALYTICS_DATABASE": "mysql://x"}])
def test_a_setting_that_cannot_be_is_told_in_a_sentence(setting):
    run = subprocess.run(
        [sys.executable, "-m", CONSUMER],
        cwd=ROOT,
        env=os.environ | setting,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 2
    assert run.stderr.startswith(next(iter(setting)))
    assert len(run.stderr.splitlines()) == 1
