"""What is logged of requests: failures and slow ones, or all; never what may be somebody's secret."""

import asyncio
from typing import Any, Literal

import pytest
import structlog
from structlog.testing import capture_logs

from depthcast.api import request_log
from depthcast.api.request_log import RequestLog


def logged(
    which: Literal["failed", "all"], *, status: int = 200, kind: str = "http", pause_s: float = 0
) -> list[Any]:
    """What is logged of one request that is answered so."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(pause_s)
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async def nothing(*_: Any) -> Any:
        return None

    scope = {
        "type": kind,
        "method": "GET",
        "path": "/v1/books/X",
        "query_string": b"token=secret",
        "headers": [(b"authorization", b"Bearer secret")],
        "client": ("192.0.2.7", 4711),
    }
    structlog.configure(cache_logger_on_first_use=False)
    with capture_logs() as lines:
        asyncio.run(RequestLog(application, which)(scope, nothing, nothing))
    return lines


@pytest.fixture(autouse=True)
def fresh_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    structlog.reset_defaults()
    monkeypatch.setattr(request_log, "log", structlog.get_logger())


@pytest.mark.parametrize(("status", "lines"), [(200, 0), (404, 0), (500, 1), (503, 0), (504, 1)])
def test_failures_are_logged(status: int, lines: int) -> None:
    found = logged("failed", status=status)
    assert [line["status"] for line in found] == [status] * lines
    assert all(line["log_level"] == "warning" for line in found)


def test_slow_answers_are_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "SLOW_S", 0.01)
    (line,) = logged("failed", pause_s=0.03)
    assert line["log_level"] == "info"
    assert line["first_ms"] >= 30


def test_all_are_logged_where_that_is_asked_for() -> None:
    (line,) = logged("all", status=304)
    assert (line["method"], line["path"], line["status"], line["client"]) == (
        "GET",
        "/v1/books/X",
        304,
        "192.0.2.7",
    )
    assert logged("all", kind="websocket")[0]["method"] == "GET"
    assert logged("all", kind="lifespan") == []
    assert logged("failed", kind="websocket") == []


def test_queries_and_headers_are_not_logged() -> None:
    assert "secret" not in str(logged("all", status=500))
