"""Traces by OpenTelemetry (the extra ``functions``), sent to where the standard ``OTEL_*`` variables say.

Without an endpoint nothing is recorded or sent, and a span costs next to nothing.
"""

import os
import re
from collections.abc import Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, Tracer

__all__ = ["Traces", "xray_parent"]

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_TIMEOUTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
_TIMEOUT_S: Final = 2.0
"""Of an export, where the variables say nothing: a collector beside us answers at once or not at all."""
_XRAY: Final = re.compile(
    "Root=1-(?P<time>[0-9a-f]{8})-(?P<random>[0-9a-f]{24});"
    "Parent=(?P<span>[0-9a-f]{16});Sampled=(?P<sampled>[01])"
)


class Traces:
    """The spans of this process.

    Args:
        service: its name in the traces.
        variables: the environment's variables, by default ``os.environ``.
    """

    def __init__(self, service: str, variables: Mapping[str, str] | None = None) -> None:
        variables = os.environ if variables is None else variables
        self._provider = None
        if not any(variables.get(name) for name in _ENDPOINTS):
            self.tracer: Tracer = trace.NoOpTracer()
            return
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        told = any(variables.get(name) for name in _TIMEOUTS)
        exporter = OTLPSpanExporter(timeout=None if told else _TIMEOUT_S)
        self._provider = TracerProvider(resource=Resource.create({"service.name": service}))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self.tracer = self._provider.get_tracer("depthcast")

    def flush(self) -> None:
        """Send what is finished: the process may be frozen or ended after this. A failure is only logged."""
        if self._provider is not None:
            self._provider.force_flush(int(_TIMEOUT_S * 1000))


def xray_parent(header: str) -> Context:
    """The context in a header of AWS X-Ray (``Root=1-...;Parent=...;Sampled=1``); an empty one for others."""
    match = _XRAY.match(header)
    if match is None:
        return Context()
    parent = SpanContext(
        trace_id=int(match["time"] + match["random"], 16),
        span_id=int(match["span"], 16),
        is_remote=True,
        trace_flags=TraceFlags(int(match["sampled"])),
    )
    return trace.set_span_in_context(NonRecordingSpan(parent), Context())
