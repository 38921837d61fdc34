"""Tasks of the API that make exports, and what a client of theirs does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from depthcast.api.exports import Exporter, open_exporter
from depthcast.settings import Settings
from depthcast.store.connect import connected
from tests.support.api_service import Api
from tests.support.history_api import history_api, history_settings

PATIENCE_S: Final = 10.0


async def execute(url: str, statement: str, *arguments: Any) -> None:
    async with connected(url) as connection:
        await connection.execute(statement, *arguments)


@asynccontextmanager
async def tasks(
    url: str, folder: Path, *, running: int = 1, number: int = 1, **more: Any
) -> AsyncIterator[tuple[list[Api], list[Exporter], Settings]]:
    """So many tasks of the API that share database and files; in ``running`` of them exports are made."""
    given = {"poll_s": 0.05, **more}
    settings = history_settings(url, exports=folder, **given)
    exporters = [exporter for _ in range(number) if (exporter := open_exporter(settings))]
    async with contextlib.AsyncExitStack() as stack:
        entered = [stack.enter_async_context(history_api(settings, exporter=each)) for each in exporters]
        apis = [await each for each in entered]
        try:
            for exporter in exporters[:running]:
                exporter.start()
            yield apis, exporters, settings
        finally:
            for exporter in exporters:
                await exporter.close()


async def post(
    api: Api, body: dict[str, Any], key: str | None = "k-1", client: httpx.AsyncClient | None = None
) -> httpx.Response:
    headers = {} if key is None else {"idempotency-key": key}
    return await (client or api.client).post("/v1/exports", json=body, headers=headers)


async def until(api: Api, export_id: str, *states: str) -> dict[str, Any]:
    """The export, once it is in one of these states."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await api.get(f"/v1/exports/{export_id}")
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            if found["state"] in states:
                return found
            await asyncio.sleep(0.02)


async def fetchval(url: str, question: str) -> Any:
    async with connected(url) as connection:
        return await connection.fetchval(question)
