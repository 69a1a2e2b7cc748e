"""The trace id, as W3C Trace Context has it."""

import re

import pytest

from shared.tracing import trace_id_from, traceparent_of

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "traceparent",
    [
        f"00-{TRACE_ID}-{PARENT}-01",
        f"00-{TRACE_ID}-{PARENT}-00",
        f" 00-{TRACE_ID}-{PARENT}-01 ",
        f"01-{TRACE_ID}-{PARENT}-01-what a later version adds",
    ],
)
def test_a_valid_header_gives_its_trace_id(traceparent):
    assert trace_id_from(traceparent) == TRACE_ID


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        "",
        TRACE_ID,
        f"00-{TRACE_ID}-{PARENT}",
        f"00-{TRACE_ID[:-1]}-{PARENT}-01",
        f"00-{TRACE_ID}0-{PARENT}-01",
        f"00-{TRACE_ID.upper()}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"ff-{TRACE_ID}-{PARENT}-01",
        f"00-{TRACE_ID}-{PARENT}-01\nforged",
    ],
)
def test_where_there_is_none_a_new_trace_begins(traceparent):
    first, second = trace_id_from(traceparent), trace_id_from(traceparent)

    assert re.fullmatch("[0-9a-f]{32}", first)
    assert len({first, second, TRACE_ID, "0" * 32}) == 4


def test_the_next_service_gets_the_same_trace_and_another_parent():
    first, second = traceparent_of(TRACE_ID), traceparent_of(TRACE_ID)

    assert trace_id_from(first) == trace_id_from(second) == TRACE_ID
    assert first != second
    assert re.fullmatch(f"00-{TRACE_ID}-[0-9a-f]{{16}}-01", first)
