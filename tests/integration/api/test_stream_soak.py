"""A busy simulated exchange, its feed, the API, and readers that verify every message, all as it is run."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from depthcast.exchange import make_instruments
from tests.support.api_process import ApiProcess
from tests.support.feed_process import FeedProcess
from tests.support.gateways import run
from tests.support.stream_reader import Reader

SECONDS = float(os.environ.get("DEPTHCAST_SOAK_S", "4"))
RATE = int(os.environ.get("DEPTHCAST_SOAK_RATE", "20000"))
SYMBOLS = [instrument.symbol for instrument in make_instruments(2)]
REQUESTS: list[dict[str, Any]] = [
    {"channel": "book", "depth": 10, "rate": 20},
    {"channel": "book", "depth": 100, "rate": 4},
    {"channel": "bbo", "rate": 100},
    {"channel": "orders"},
    {"channel": "trades"},
    {"channel": "status"},
]


async def follow(url: str, requests: list[dict[str, Any]], until: float) -> Reader:
    """Read and verify until then, and until there was something of everything; begin anew if too slow."""
    while True:
        reader = Reader()
        try:
            async with connect(url, compression=None, max_size=None, close_timeout=1) as connection:
                for request in requests:
                    await connection.send(json.dumps({"op": "subscribe", "instruments": SYMBOLS, **request}))
                while time.monotonic() < until or not has_everything(reader, len(requests) * len(SYMBOLS)):
                    reader.text(await asyncio.wait_for(connection.recv(), 30))
                return reader
        except ConnectionClosed as closed:
            if closed.rcvd is None or closed.rcvd.code != 4008:
                raise


def has_everything(reader: Reader, classes: int) -> bool:
    return (
        len(reader.subscribed) == classes
        and len(reader.heartbeats) > 0
        and all(book.verified > 3 for book in reader.books.values())
        and all(reader.trades.values())
    )


@pytest.mark.long
def test_every_message_of_a_busy_exchange_verifies(tmp_path: Path) -> None:
    source = f"sim://cme?instruments=2&orders=300&rate={RATE}"
    with (
        FeedProcess(source, "--journal", "none", cwd=tmp_path) as feed,
        ApiProcess(f"127.0.0.1:{feed.port}/XSIM.MBO", cwd=tmp_path) as api,
    ):
        url = f"ws://127.0.0.1:{api.ready().port}/v1/stream"

        async def look(until: float) -> tuple[int, int]:
            """The most clients and classes there were; one who is too slow may be away for a moment."""
            clients = classes = 0
            while time.monotonic() < until:
                status, answer = await asyncio.to_thread(api.get, "/v1/status")
                assert status == 200
                clients = max(clients, answer["streams"]["clients"])
                classes = max(classes, answer["streams"]["classes"])
                await asyncio.sleep(0.2)
            return clients, classes

        async def main() -> tuple[tuple[int, int], list[Reader]]:
            until = time.monotonic() + SECONDS
            looking = asyncio.create_task(look(until))
            apart = (follow(url, [request], until) for request in REQUESTS)
            readers = await asyncio.gather(*apart, follow(url, REQUESTS, until))
            return await looking, readers

        most, readers = run(main())
    assert [reader.errors for reader in readers] == [[]] * len(readers)
    assert [each for reader in readers for each in reader.resyncs if each["reason"] != "conflated"] == []
    assert most == (len(REQUESTS) + 1, len(REQUESTS) * len(SYMBOLS))


@pytest.fixture(autouse=True)
def _long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A soak may take longer than tests do otherwise."""
    monkeypatch.setattr("tests.support.gateways.PATIENCE_S", SECONDS + 60)
