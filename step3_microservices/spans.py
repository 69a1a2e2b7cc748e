"""OpenTelemetry's spans, where an address for them is given; nothing at all, not even an import, where none is.

A thread sends them in batches, and drops them where nobody takes them: no request waits for that. A trace has the id
that the logs have, and goes on through the queue by `Work.traceparent`.
"""

from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING

from shared.tracing import traceparent_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.trace import Span, Tracer

_EXPORT_TIMEOUT_S = 2
_NOTHING: AbstractContextManager[None] = nullcontext()
_tracers: "list[Tracer]" = []  # one, once this process was told where spans go
_trace_id: ContextVar[int] = ContextVar("trace_id")  # of the trace that begins


def export_spans(service: str, endpoint: str | None) -> None:
    """Send this process's spans to an OTLP/HTTP receiver from now on, if there is one; to be called after any fork."""
    if not endpoint or _tracers:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_TIMEOUT_S)
    provider = TracerProvider(resource=Resource.create({"service.name": service}), id_generator=_id_generator())
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracers.append(provider.get_tracer("step3_microservices"))


def are_exported() -> bool:
    """Return whether this process sends spans."""
    return bool(_tracers)


def span(name: str) -> AbstractContextManager[object]:
    """Measure what is done meanwhile, as a part of the span around it."""
    return _tracers[0].start_as_current_span(name) if _tracers else _NOTHING


@contextmanager
def first_span(name: str, trace_id: str, traceparent: str | None) -> "Iterator[Span]":
    """Measure a request as a part of its client's span, or else as the first of a trace with that id."""
    from opentelemetry.trace import SpanKind  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    context = TraceContextTextMapPropagator().extract({"traceparent": traceparent or ""})
    _trace_id.set(int(trace_id, 16))
    with _tracers[0].start_as_current_span(name, context, SpanKind.SERVER) as begun:
        yield begun


def traceparent_here(trace_id: str) -> str:
    """Return the `traceparent` for the next service on the way: a child of the span that this is in, if any."""
    if not _tracers:
        return traceparent_of(trace_id)
    from opentelemetry.trace import get_current_span  # noqa: PLC0415

    here = get_current_span().get_span_context()
    if not here.is_valid:
        return traceparent_of(trace_id)
    return f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags:02x}"


def record_span(name: str, traceparent: str, began: float, ended: float, **attributes: str | float) -> None:
    """Tell of something that is over, in Unix times in seconds, as a part of the span that `traceparent` names."""
    if not _tracers:
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    context = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    told = _tracers[0].start_span(name, context, attributes=attributes, start_time=int(began * 1e9))
    told.end(int(ended * 1e9))


def _id_generator() -> "IdGenerator":
    """Return what lets a trace begin with the id that the logs have for it."""
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415

    class GivenTraceId(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            return _trace_id.get(0) or super().generate_trace_id()

    return GivenTraceId()
