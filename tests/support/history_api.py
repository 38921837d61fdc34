"""An API with a database of history behind it, asked by HTTP in the same process."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from depthcast.api.database import HistoryDatabase
from depthcast.journal.segments import ClosedSegment
from depthcast.settings import Secret, Settings
from depthcast.settings.sections import ApiSettings, DatabaseSettings, ExportSettings, HistorySettings
from depthcast.store.compact import compact
from depthcast.store.connect import connected
from tests.support.api_service import Api, api_over, api_settings
from tests.support.api_world import feed_of_the_world
from tests.support.gateways import run

__all__ = ["asked", "compacted", "history_api", "history_settings", "pages"]


def history_settings(url: str, *, exports: Path | None = None, **more: Any) -> Settings:
    """Settings of an API with this database; ``more`` are of ``history``, ``exports`` and ``api``."""
    history = {name: more[name] for name in more.keys() & set(HistorySettings.__struct_fields__)}
    ours = {name: more[name] for name in more.keys() & set(ExportSettings.__struct_fields__)}
    api = {name: more[name] for name in more.keys() & set(ApiSettings.__struct_fields__)}
    return msgspec.structs.replace(
        api_settings(**api),
        database=DatabaseSettings(url=Secret(url)),
        history=HistorySettings(**history),
        exports=ExportSettings(store="" if exports is None else str(exports), **ours),
    )


@contextlib.asynccontextmanager
async def history_api(settings: Settings, **arguments: Any) -> AsyncIterator[Api]:
    """The API over the world's feed, with the database of the settings."""
    async with api_over(
        feed_of_the_world(), settings=settings, history=HistoryDatabase(settings), **arguments
    ) as api:
        yield api


async def compacted(url: str, segments: Iterable[ClosedSegment], *, grid_ms: int = 1_000) -> None:
    """These segments in the database, depth on this grid."""
    async with connected(url) as connection:
        for segment in segments:
            await compact(connection, segment, grid_ms=grid_ms)


async def pages(api: Api, path: str, limits: Iterable[int], **parameters: Any) -> list[dict[str, Any]]:
    """All rows, by pages of these sizes, the last one as often as needed."""
    rows: list[dict[str, Any]] = []
    given = {**parameters}
    sizes = iter(limits)
    limit = 1
    while True:
        limit = next(sizes, limit)
        answer = await api.get(path, params={**given, "limit": limit})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["rows"]) <= limit
        rows += page["rows"]
        if page["next"] is None:
            return rows
        assert len(page["rows"]) == limit
        given["cursor"] = parse_qs(urlsplit(page["next"]).query)["cursor"][0]


def asked(url: str, test: Callable[[Api], Awaitable[None]], **more: Any) -> None:
    """Run a test with an API over this database; ``more`` are settings."""

    async def main() -> None:
        async with history_api(history_settings(url, **more)) as api:
            await test(api)

    run(main())
