"""Replays as server-sent events, and how a browser goes on with one that was cut off."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from depthcast.api.key_file import ApiKeyFile
from depthcast.api.keys import make_api_key, new_token
from tests.support.api_service import api_settings
from tests.support.gateways import run
from tests.support.journals import simulated_feed
from tests.support.past import SourceTimes, journal_of_lives
from tests.support.replayed import Source, Watcher, replaying, replays_of
from tests.support.rest import problem
from tests.support.stream_service import StreamService, page, stream_service

ENDED: Final = "replay:end"


@pytest.fixture(scope="module")
def source() -> Source:
    return Source(simulated_feed())


@pytest.fixture(scope="module")
def journal(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return journal_of_lives(tmp_path_factory.mktemp("events"), source.data, records=700)


class Browser:
    """What an `EventSource` would hold: the messages, and the last id."""

    def __init__(self) -> None:
        self.last_id = ""
        self.messages: list[dict[str, Any]] = []

    async def read(self, service: StreamService, query: str, *, most: int = 1 << 30) -> int:
        """Read until the end of the events, or so many; the status of the answer."""
        url = f"http://127.0.0.1:{service.port}/v1/events?{query}"
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        async with httpx.AsyncClient(timeout=10) as client, client.stream("GET", url, headers=headers) as got:
            async for line in got.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    self.last_id = value
                elif name == "data":
                    self.messages.append(json.loads(value))
                if len(self.messages) >= most:
                    break
            return got.status_code

    def orders(self) -> list[dict[str, Any]]:
        return [each for each in self.messages if each["type"] == "order"]


def test_a_replay_is_read_to_its_end_and_not_begun_again(source: Source, journal: Path) -> None:
    query = "replay=11,12&start=0&speed=max&channels=orders,trades"

    async def main() -> None:
        async with replaying(journal) as service:
            browser = Browser()
            assert await browser.read(service, query) == 200
            told = [each["seq"] for each in browser.orders() if each["orders"]]
            assert set(told) <= {event.position for event in source.events}
            assert {event.position for event in source.events} <= {
                each["seq"] for each in browser.messages if each["type"] in ("order", "snapshot")
            }
            traded = sum(len(each["trades"]) for each in browser.messages if each["type"] == "trade")
            assert traded == sum(len(event.trades) for event in source.events)
            assert browser.messages[-1]["state"] == "ended"
            assert browser.last_id == ENDED
            assert await browser.read(service, query) == 204
            assert replays_of(service) == 0

    run(main())


def test_a_browser_that_was_cut_off_goes_on_where_it_was(source: Source, journal: Path) -> None:
    query = "replay=12&start=0&speed=max&channels=orders,trades&publisher=65001"

    async def main() -> None:
        async with replaying(journal) as service:
            browser = Browser()
            for most in (50, 300, 700):
                await browser.read(service, query, most=most)
            assert await browser.read(service, query) == 200
            told = [each["seq"] for each in browser.messages if each["type"] in ("order", "snapshot")]
            mine = [event for event in source.of(12) if event.key.publisher_id == 65_001]
            assert {event.position for event in mine} <= set(told)
            by_position = {event.position: event for event in mine}
            for message in browser.orders():
                if message["seq"] in by_position:
                    assert message["checksum"] == by_position[message["seq"]].queues
            traded = [
                (trade["ts_event"], trade["size"], trade["sequence"])
                for message in browser.messages
                if message["type"] == "trade"
                for trade in message["trades"]
            ]
            assert set(traded) == {trade for event in mine for trade in event.trades}

    run(main())


WRONG: Final = [
    ("replay=11", 422, "invalid-parameter", "start"),
    ("replay=11&start=never", 422, "invalid-parameter", "start"),
    ("replay=11&start=5&end=4", 422, "invalid-parameter", "end"),
    ("replay=11&start=0&speed=quick", 422, "invalid-parameter", "speed"),
    ("replay=11&start=0&speed=nan", 422, "invalid-parameter", "speed"),
    ("replay=11&start=0&speed=5000", 422, "invalid-parameter", "speed"),
    ("replay=11&start=0&depth=4", 422, "invalid-parameter", "depth"),
    ("replay=11&start=0&depth=x", 422, "invalid-parameter", "depth"),
    ("replay=11&start=0&rate=7", 422, "invalid-parameter", "rate"),
    ("replay=11&start=0&publisher=70000", 422, "invalid-parameter", "replay"),
    ("replay=11&start=0&channels=status", 422, "invalid-parameter", "channels"),
    ("replay=11&start=0&channels=", 422, "invalid-parameter", "replay"),
    ("replay=&start=0", 422, "invalid-parameter", "replay"),
    ("replay=11&start=0&start=1", 422, "invalid-parameter", "start"),
    ("replay=11&start=0&since=replay:5", 422, "invalid-parameter", "since"),
    ("replay=11&start=0&book=7", 422, "invalid-parameter", "book"),
    ("replay=NONE&start=0", 404, "unknown-instrument", ""),
    ("replay=11&start=2100-01-01", 404, "time-not-kept", ""),
]


def test_wrong_queries_are_problems(journal: Path) -> None:
    async def main() -> None:
        async with replaying(journal) as service, httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{service.port}/v1/events?"
            for query, status, name, field in WRONG:
                said = problem(await client.get(url + query), status, name)
                if field:
                    assert said["errors"][0]["field"] == field, query
            assert replays_of(service) == 0

    run(main())


def test_without_a_journal_there_is_no_replay() -> None:
    async def main() -> None:
        async with stream_service() as service, httpx.AsyncClient() as client, page(service) as one:
            url = f"http://127.0.0.1:{service.port}/v1/events?replay=7&start=0"
            problem(await client.get(url), 404, "no-journal")
            watcher = Watcher(one.connection)
            assert (await watcher.play("7", start=0))["code"] == "no_journal"

    run(main())


def test_a_key_needs_the_scope(journal: Path, tmp_path: Path) -> None:
    tokens = {scope: new_token() for scope in ("read", "replay")}
    keys = [
        make_api_key(scope, token, scopes=("read", scope) if scope == "replay" else (scope,), now_ns=1)
        for scope, token in tokens.items()
    ]
    file = tmp_path / "keys.json"
    ApiKeyFile(file).change(lambda ring: ring.with_keys(keys))
    settings = api_settings(journal=str(journal), anonymous_read=False)

    async def main() -> None:
        async with (
            stream_service(settings=settings, keys_file=file) as service,
            httpx.AsyncClient() as client,
        ):
            url = f"http://127.0.0.1:{service.port}/v1"
            for scope, token in tokens.items():
                headers = {"Authorization": f"Bearer {token}"}
                async with page(service, additional_headers=headers) as one:
                    answer = await Watcher(one.connection).play("11", start=0, paused=True)
                    assert answer.get("code") == (None if scope == "replay" else "scope_missing")
                answers = [
                    await client.get(f"{url}/events?replay=NONE&start=0", headers=headers),
                    await client.get(f"{url}/books/NONE?at=0", headers=headers),
                ]
                for each in answers:
                    if scope == "read":
                        assert problem(each, 403, "scope-missing")["scope"] == "replay"
                    else:
                        assert each.status_code == 404
            problem(await client.get(f"{url}/books/11?at=0"), 401, "key-required")

    run(main())


def test_who_leaves_gives_the_place_back(source: Source, journal: Path) -> None:
    middle = SourceTimes(source.data).times(3, seed=1)[1]
    query = f"replay=11&start={middle}&speed=0.1"

    async def main() -> None:
        async with replaying(journal, replays_per_key=1) as service, httpx.AsyncClient() as client:
            await Browser().read(service, query, most=3)
            async with asyncio.timeout(5):
                while replays_of(service):
                    await asyncio.sleep(0.01)
            url = f"http://127.0.0.1:{service.port}/v1/events?{query}"
            async with client.stream("GET", url) as first:
                assert first.status_code == 200
                refused = await client.get(url)
                problem(refused, 429, "rate-limited")
                assert refused.headers["retry-after"] == "1"

    run(main())
