"""Log records as lines of JSON."""

import json
import logging
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.logs import JsonFormatter


@pytest.fixture
def line_of():
    """Format a record as a program would make it, and return its one line."""

    def line(message, *arguments, error=None, **fields):
        extra = {"fields": fields} if fields else None
        record = logging.getLogger("a.place").makeRecord(
            "a.place", logging.WARNING, __file__, 1, message, arguments, error, extra=extra
        )
        return JsonFormatter().format(record)

    return line


def test_a_record_is_one_object_with_time_level_logger_and_message(line_of):
    before = datetime.now(UTC) - timedelta(milliseconds=1)  # which are not written any finer

    record = json.loads(line_of("%s of %d", "one", 2))

    when = datetime.fromisoformat(record.pop("time"))
    assert record == {"level": "warning", "logger": "a.place", "message": "one of 2"}
    assert when.utcoffset().total_seconds() == 0
    assert before < when <= datetime.now(UTC)


def test_what_a_call_adds_stands_beside_the_message(line_of):
    record = json.loads(line_of("request", trace_id="4bf9", status=200, folder=Path("here"), nothing=None))

    assert (record["trace_id"], record["status"], record["nothing"]) == ("4bf9", 200, None)
    assert record["folder"] == "here", "what JSON lacks is written as its text"


def test_a_trace_is_a_field_and_no_further_lines(line_of):
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        error = sys.exc_info()

    line = line_of("unforeseen", error=error)

    assert "\n" not in line
    trace = json.loads(line)["trace"]
    assert trace.startswith("Traceback (most recent call last):\n")
    assert trace.endswith("ValueError: first\nsecond")


@pytest.mark.parametrize("text", ["two\nlines", '"} {"forged": 1', "\x1b[31mred", "\u2028", "\ud800", "猫"])
def test_nothing_in_a_message_can_begin_a_new_line_or_command_a_terminal(line_of, text):
    line = line_of("%s", text, path=text)

    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == json.loads(line)["path"] == text
