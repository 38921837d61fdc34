"""An API for tests: its application over replicas of real gateways, asked by HTTP in the same process."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec

from depthcast.api.app import create_app
from depthcast.api.database import HistoryDatabase
from depthcast.api.exports import Exporter
from depthcast.api.hub.hub import Hub
from depthcast.api.key_file import ApiKeyFile, ApiKeys
from depthcast.api.key_store import KnownKeys
from depthcast.api.market import Market
from depthcast.api.past.gate import open_past
from depthcast.api.services import Services
from depthcast.api.trades import Tape
from depthcast.live.lifecycle import Policy
from depthcast.live.replica import Replica
from depthcast.live.replica_types import FeedState
from depthcast.settings import Settings
from tests.support.gateways import Served, serve, until
from tests.support.live_client import SECRET as KEY
from tests.support.recorded_feed import RecordedFeed

__all__ = ["Api", "api_over", "api_settings"]

PATIENT = Policy(heartbeat_s=1, backoff_first_s=0.05, backoff_max_s=0.2)
"""Back soon after a lost connection."""


class Api:
    """An application that runs, with what it was made of.

    Attributes:
        client: asks it.
        app, services: it, and its parts.
        served: the gateways it follows.
    """

    def __init__(self, app: Any, services: Services, served: Sequence[Served]) -> None:
        self.app = app
        self.services = services
        self.served = served
        self.client = self.connect()

    def connect(
        self, *, address: str = "203.0.113.7", headers: dict[str, str] | None = None
    ) -> httpx.AsyncClient:
        """A client of this address."""
        transport = httpx.ASGITransport(app=self.app, client=(address, 40_000), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers)

    @property
    def replica(self) -> Replica:
        return self.services.market.replicas[0]

    async def get(self, path: str, **arguments: Any) -> httpx.Response:
        return await self.client.get(path, **arguments)

    async def caught_up(self) -> None:
        """Wait until all that is published is in the books."""
        feed = self.served[0].feed
        await until(lambda: self.replica.state is FeedState.LIVE and feed.derived == feed.head)
        await asyncio.sleep(0.05)


def api_settings(**api: Any) -> Settings:
    """Settings of an API whose limits no test meets by chance, and that anybody may read."""
    given = {"anonymous_read": True, "requests_per_s": 1e6, "burst": 1_000_000, **api}
    return Settings(api=msgspec.structs.replace(Settings().api, **given))


@contextlib.asynccontextmanager
async def api_over(
    *feeds: RecordedFeed,
    settings: Settings | None = None,
    keys_file: Path | None = None,
    keys: KnownKeys | None = None,
    clock: Callable[[], int] = time.time_ns,
    filled: bool = True,
    key: str = KEY,
    dataset: str = "",
    streams: Sequence[Any] | None = (),
    history: HistoryDatabase | None = None,
    exporter: Exporter | None = None,
) -> AsyncIterator[Api]:
    """The API over gateways that serve these feeds.

    Args:
        keys: the API's keys, if they are in no file.
        filled: wait for the books.
        key: what the replicas authenticate with.
        dataset: what they ask for, if it is not what there is.
        streams: handlers of WebSockets; None for the real ones, with a hub.
        history: the way to a database.
        exporter: what makes exports; the application starts it, where there is one that runs.
    """
    settings = settings or api_settings()
    async with contextlib.AsyncExitStack() as stack:
        served = [await stack.enter_async_context(serve(feed)) for feed in feeds]
        replicas = [
            Replica(*each.address, key=key, dataset=dataset or each.feed.dataset, policy=PATIENT)
            for each in served
        ]
        market = Market(replicas)
        services = Services(
            settings=settings,
            market=market,
            hub=Hub(market, clock, asyncio.get_running_loop()) if streams is None else None,
            tape=Tape(market),
            keys=keys or ApiKeys(ApiKeyFile(keys_file or Path("no-such-file.json")), reload_s=0.0),
            version="0.0.test",
            clock=clock,
            history=history,
            exporter=exporter,
            past=open_past(settings),
        )
        api = Api(create_app(services, streams=streams), services, served)
        running = asyncio.create_task(market.run())
        try:
            if filled:
                await until(lambda: all(replica.state is FeedState.LIVE for replica in replicas))
            yield api
        finally:
            market.close()
            await api.client.aclose()
            await running
            if history is not None:
                await history.close()
                await asyncio.sleep(0)  # what was cut off is closed
            if services.past is not None:
                services.past.close()
