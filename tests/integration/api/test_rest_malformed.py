"""Bytes that are no request, or a bad one: an answer that says so, or none; never a fault, never a hang."""

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.api_service import api_settings
from tests.support.api_thread import served_world

GOOD = b"GET /v1/books/CLX5?depth=3 HTTP/1.1\r\nHost: api.test\r\nAccept: */*\r\nConnection: close\r\n\r\n"
PATIENCE_S = 5.0
RULES = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """Where the API is served, with little patience for what does not come."""
    with served_world(settings=api_settings(request_s=0.3)) as url:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        yield parts.hostname, parts.port
        answer = httpx.get(f"{url}/v1/books/CLX5")
        assert answer.status_code == 200
        metrics = httpx.get(f"{url}/metrics").text
        assert 'status="500"' not in metrics


def exchange(address: tuple[str, int], sent: bytes) -> bytes:
    """Send, say that there is no more, and read to the end."""
    with socket.create_connection(address, PATIENCE_S) as connection:
        received = b""
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65_536):
                received += piece
        except ConnectionError:
            pass
    return received


def check(received: bytes) -> None:
    """Nothing, or answers of which none is a fault, and each failure is a problem."""
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").lower().split("\r\n")
        status = int(lines[0].split()[1])
        if status == 100:
            received = rest
            continue
        headers = dict(line.split(": ", 1) for line in lines[1:])
        size = int(headers.get("content-length", "0"))
        assert 200 <= status < 500, received
        if status >= 400:
            assert headers["content-type"] == "application/problem+json"
            if size:
                assert json.loads(rest[:size])["status"] == status
        received = rest[size:] if rest[:size] else b""


@RULES
@given(st.binary(max_size=300))
def test_any_bytes(address: tuple[str, int], sent: bytes) -> None:
    check(exchange(address, sent))


@RULES
@given(
    st.lists(
        st.tuples(st.integers(0, len(GOOD)), st.integers(0, 3), st.binary(max_size=6)), min_size=1, max_size=4
    )
)
def test_a_request_with_bytes_changed(address: tuple[str, int], edits: list[tuple[int, int, bytes]]) -> None:
    sent = GOOD
    for at, removed, put in edits:
        sent = sent[:at] + put + sent[at + removed :]
    check(exchange(address, sent))


@RULES
@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_path_and_query(address: tuple[str, int], path: bytes, query: bytes) -> None:
    quoted = b"".join(b"%%%02X" % byte for byte in path), b"".join(b"%%%02X" % byte for byte in query)
    line = b"GET /v1/books/" + quoted[0] + b"?" + quoted[1] + b" HTTP/1.1\r\n"
    received = exchange(address, line + b"Host: api.test\r\nConnection: close\r\n\r\n")
    assert received
    check(received)


@RULES
@given(
    st.sampled_from(
        [
            b"If-None-Match", b"Authorization", b"Accept-Encoding", b"Origin", b"X-Forwarded-For", b"Host",
            b"Content-Length", b"Transfer-Encoding", b"Connection", b"Upgrade", b"Expect", b"Last-Event-ID",
        ]
    ),
    st.binary(max_size=80),
)  # fmt: skip
def test_any_value_of_a_header(address: tuple[str, int], name: bytes, value: bytes) -> None:
    check(exchange(address, GOOD.replace(b"Accept: */*", name + b": " + value)))
