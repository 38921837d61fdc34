"""Traces: sent where an endpoint is set, within the trace of whoever called, and never in the way."""

import time

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from depthcast.telemetry.traces import Traces, xray_parent
from tests.support.otlp import collector, spans

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


def test_spans_are_at_the_collector_once_they_are_flushed(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[ExportTraceServiceRequest] = []
    with collector(requests) as endpoint:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        traces = Traces("compact")
        with (
            traces.tracer.start_as_current_span("invocation", context=xray_parent(HEADER)),
            traces.tracer.start_as_current_span("segment", attributes={"key": "a"}),
        ):
            pass
        traces.flush()
        found = spans(requests)
    assert found.keys() == {"invocation", "segment"}
    assert found["invocation"].trace_id.hex() == "5759e988bd862e3fe1be46a994272793"
    assert found["invocation"].parent_span_id.hex() == "53995c3f42cd8ad8"
    assert found["segment"].parent_span_id == found["invocation"].span_id
    [service] = [
        each.value.string_value
        for each in requests[0].resource_spans[0].resource.attributes
        if each.key == "service.name"
    ]
    assert service == "compact"


def test_what_the_caller_does_not_sample_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[ExportTraceServiceRequest] = []
    with collector(requests) as endpoint:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        traces = Traces("compact")
        parent = xray_parent(HEADER.replace("Sampled=1", "Sampled=0"))
        with traces.tracer.start_as_current_span("invocation", context=parent):
            pass
        traces.flush()
    assert requests == []


def test_without_an_endpoint_nothing_is_recorded() -> None:
    traces = Traces("compact", {})
    with traces.tracer.start_as_current_span("invocation") as span:
        assert not span.is_recording()
    traces.flush()


def test_a_collector_that_is_not_there_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    traces = Traces("compact")
    with traces.tracer.start_as_current_span("invocation"):
        pass
    begun = time.monotonic()
    traces.flush()
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("header", ["", "Root=1-0;Parent=0;Sampled=1", "Self=1", HEADER[:-1]])
def test_a_header_that_is_none_begins_a_trace(header: str) -> None:
    assert not trace.get_current_span(xray_parent(header)).get_span_context().is_valid
