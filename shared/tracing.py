"""One id for a request on its whole way, in the form of W3C Trace Context (https://www.w3.org/TR/trace-context/)."""

import re
import secrets

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def trace_id_from(traceparent: str | None) -> str:
    """Return the trace id, 32 hexadecimal digits, of a `traceparent` header, or a new one where none is valid."""
    match = _TRACEPARENT.fullmatch(traceparent.strip()) if traceparent else None
    return match[1] if match else secrets.token_hex(16)


def traceparent_of(trace_id: str) -> str:
    """Return a `traceparent` header for the next service on the way: the same trace, a new parent, sampled."""
    return f"00-{trace_id}-{secrets.token_hex(8)}-01"
