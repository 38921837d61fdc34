"""The stream as server-sent events, over a real socket."""

import asyncio
import html
import re

import httpx
import pytest

from depthcast.api import events as endpoint
from depthcast.api.hub.options import HubOptions
from tests.support.api_service import api_settings
from tests.support.definitions import definition
from tests.support.gateways import run
from tests.support.records import clear
from tests.support.stream_service import events, stream_service


def test_one_connection_carries_all_channels_of_a_page() -> None:
    async def main() -> None:
        async with (
            stream_service() as service,
            events(service, "book=7,8&bbo=7&trades=7&orders=7&status=8&depth=5&rate=100") as browser,
        ):
            for number in range(30):
                service.change(ticks=number % 8 - 4, size=number + 1)
                service.change(ticks=number % 5, instrument_id=8)
                service.trade(sequence=number)
                await asyncio.sleep(0.003)
            await browser.next("heartbeat")
            await browser.next("heartbeat")
            held = browser.reader.books
            assert len(held) == 4
            for name, book in held.items():
                instrument = browser.reader.subscribed[name]["instrument_id"]
                assert book.checksum() == service.engine.checksum(instrument, book.depth), name
            (trades,) = browser.reader.trades.values()
            assert [trade["sequence"] for trade in trades] == list(range(30))
            assert len(browser.reader.statuses) == 1
            assert browser.retry_ms > 0

    run(main())


def test_a_browser_that_comes_back_resumes_all_its_classes() -> None:
    async def main() -> None:
        async with stream_service() as service:
            query = "book=7,8&depth=5&rate=100"
            async with events(service, query) as first:
                await first.next("snapshot")
                await first.next("snapshot")
                service.change(ticks=1)
                await first.next("update")
            service.change(ticks=2)
            service.change(ticks=3, instrument_id=8)
            await asyncio.sleep(0.05)
            async with events(service, query, last_id=first.last_id) as second:
                second.reader.books = first.reader.books
                await second.next("update")
                await second.next("update")
                assert all(each["resumed"] for each in second.reader.subscribed.values())
                for name, book in second.reader.books.items():
                    instrument = second.reader.subscribed[name]["instrument_id"]
                    assert book.checksum() == service.engine.checksum(instrument, 5)

    run(main())


@pytest.mark.parametrize("last_id", ["nonsense", "other:5", ":", "a:b", "x:99999999999999999999"])
def test_an_id_that_leads_nowhere_begins_with_a_snapshot(last_id: str) -> None:
    async def main() -> None:
        async with stream_service() as service, events(service, "book=7", last_id=last_id) as browser:
            await browser.next("snapshot")

    run(main())


def test_comments_keep_the_connection_awake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "COMMENT_S", 0.05)

    async def main() -> None:
        async with stream_service() as service, events(service, "book=7") as browser:
            while browser.comments < 3:
                await browser.next("heartbeat")

    run(main())


def test_a_browser_that_goes_away_leaves_nothing_behind() -> None:
    async def main() -> None:
        async with stream_service() as service:
            tasks = len(asyncio.all_tasks())
            for _ in range(3):
                async with events(service, "book=7&trades=7") as browser:
                    await browser.next("snapshot")
                    assert service.hub.counters.clients == 1
                await service.until_nobody_is_there()
            async with asyncio.timeout(5):
                while len(asyncio.all_tasks()) > tasks:
                    await asyncio.sleep(0.01)
            assert service.hub.counters.subscriptions == 0

    run(main())


def test_at_shutdown_event_streams_end_in_order() -> None:
    async def main() -> None:
        async with stream_service() as service, events(service, "book=7") as browser:
            await browser.next("snapshot")
            await service.hub.close(0.0)
            farewell = await browser.next("error")
            assert (farewell["code"], farewell["fatal"]) == ("restarting", True)
            assert "reconnect in" in farewell["message"]
            with pytest.raises(EOFError):
                await browser.next("never")
            assert service.hub.counters.clients == 0

    run(main())


REFUSED = {
    "": (422, "invalid-parameter"),
    "book=": (422, "invalid-parameter"),
    "book=nix": (404, "unknown-instrument"),
    "book=7&depth=7": (422, "invalid-parameter"),
    "book=7&depth=ten": (422, "invalid-parameter"),
    "book=7&rate=3": (422, "invalid-parameter"),
    "book=7&colour=red": (422, "invalid-parameter"),
    "book=7&book=8": (422, "invalid-parameter"),
    "book=7&publisher=1&publisher=1": (422, "invalid-parameter"),
    "book=7&publisher=9": (404, "unknown-book"),
    "orders=9": (409, "ambiguous-book"),
    "orders=8": (413, "book-too-large"),
    "book=10": (404, "unknown-book"),
    "book=7,8&bbo=7": (429, "rate-limited"),
}


def test_what_cannot_be_streamed_is_a_problem_document() -> None:
    options = HubOptions(subscriptions_per_connection=2, order_book_orders=19)

    async def main() -> None:
        async with stream_service(options=options) as service, httpx.AsyncClient() as client:
            service.told.records(
                clear(instrument_id=9), clear(instrument_id=9, publisher_id=2), definition(10, "NEW")
            )
            for query, (status, name) in REFUSED.items():
                answer = await client.get(f"http://127.0.0.1:{service.port}/v1/events?{query}")
                assert answer.status_code == status, (query, answer.text)
                assert answer.json()["type"].endswith(name), query
            answer = await client.post(f"http://127.0.0.1:{service.port}/v1/events?book=7")
            assert answer.status_code == 405
            answer = await client.get(f"http://127.0.0.1:{service.port}/v1/stream")
            assert answer.status_code == 400
            assert service.hub.counters.clients == 0

    run(main())


def test_the_overview_of_an_instrument_without_a_book_can_be_streamed() -> None:
    async def main() -> None:
        async with stream_service() as service, httpx.AsyncClient() as client:
            service.told.records(definition(10, "NEW"))
            answer = await client.get(f"http://127.0.0.1:{service.port}/", headers={"Accept": "text/html"})
            found = re.search(r'data-events="/v1/events\?([^"]*)"', answer.text)
            assert found is not None, answer.text[:500]
            query = html.unescape(found[1])
            assert "NEW" in query
            async with events(service, query) as browser:
                await browser.next("bbo")

    run(main())


def test_event_streams_need_the_scope_read() -> None:
    async def main() -> None:
        settings = api_settings(anonymous_read=False)
        async with stream_service(settings=settings) as service, httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{service.port}/v1/events?book=7")
            assert answer.status_code == 401

    run(main())
