"""A long answer is made while it is sent: what it takes of memory does not grow with its length."""

import asyncio
import tracemalloc
from typing import Any

import pytest

from tests.support.api_service import Api
from tests.support.gateways import run
from tests.support.history_api import history_api, history_settings

MIB = 1 << 20
PATH = "/v1/history/bbo"


async def _length(api: Api, query: str) -> int:
    """How long an answer is, of which nothing is kept."""
    length = 0

    async def receive() -> dict[str, Any]:
        await forever
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        nonlocal length
        if message["type"] == "http.response.start":
            assert message["status"] == 200
        length += len(message.get("body", b""))

    forever: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    await api.app(_scope(query), receive, send)
    return length


def _scope(query: str) -> dict[str, Any]:
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": PATH, "raw_path": PATH.encode(), "query_string": query.encode(), "headers": [],
        "client": ("203.0.113.7", 40_000), "server": ("api.test", None), "root_path": "",
    }  # fmt: skip


@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
def test_memory_does_not_grow_with_the_answer(form: str, clx5_history: str) -> None:
    async def main() -> None:
        async with history_api(history_settings(clx5_history)) as api:
            peaks, lengths = [], []
            for limit in (
                3_000,
                3_000,
                10_000 if form == "json" else 18_000,
            ):  # the first loads what is needed
                query = f"instrument=CLX5&limit={limit}&format={form}"
                tracemalloc.start()
                lengths.append(await _length(api, query))
                peaks.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.stop()
            assert lengths[2] - lengths[1] > 1.5 * MIB
            assert peaks[2] - peaks[1] < 0.5 * MIB, (peaks, lengths)

    run(main())


def test_who_leaves_is_made_no_more_of(clx5_history: str) -> None:
    async def main() -> None:
        async with history_api(history_settings(clx5_history)) as api:
            sent: list[int] = []
            gone = False

            async def receive() -> dict[str, Any]:
                while not gone:
                    await asyncio.sleep(0.001)
                return {"type": "http.disconnect"}

            async def send(message: dict[str, Any]) -> None:
                nonlocal gone
                sent.append(len(message.get("body", b"")))
                gone = len(sent) >= 3

            await api.app(_scope("instrument=CLX5&format=csv"), receive, send)
            assert len(sent) < 8  # of some twenty

    run(main())
