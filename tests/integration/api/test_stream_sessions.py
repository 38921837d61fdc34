"""The stream over a real socket: subscribing, following, resuming, asking wrongly, being closed."""

import asyncio
import json

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from depthcast.api.hub.options import HubOptions
from tests.support.api_service import api_settings
from tests.support.gateways import run
from tests.support.stream_service import page, stream_service


@pytest.mark.parametrize("ready_frames", [True, False], ids=["ready frames", "plain ASGI"])
def test_a_reader_holds_the_book_and_the_queues(ready_frames: bool) -> None:
    async def main() -> None:
        async with stream_service(ready_frames=ready_frames) as service, page(service) as reader:
            book = await reader.subscribe("book", depth=5, rate=100)
            orders = await reader.subscribe("orders")
            bbo = await reader.subscribe("bbo", rate=50)
            for number in range(60):
                service.change(ticks=number % 12 - 6, size=number + 1)
                await asyncio.sleep(0.002)
            while reader.reader.books[orders].checksum() != service.engine.checksum(7):
                await reader.next("order")
            await reader.next("heartbeat")
            held = reader.reader.books
            assert held[book].checksum() == service.engine.checksum(7, 5)
            assert held[bbo].checksum() == service.engine.checksum(7, 1)
            assert min(held[name].verified for name in (book, orders, bbo)) > 1

    run(main())


def test_the_first_change_of_an_idle_book_goes_out_at_once() -> None:
    async def main() -> None:
        async with stream_service() as service, page(service) as reader:
            await reader.subscribe("book", depth=1, rate=1)
            await reader.next("snapshot")
            began = asyncio.get_running_loop().time()
            service.change(ticks=0)
            await reader.next("update")
            assert asyncio.get_running_loop().time() - began < 0.5

    run(main())


def test_trades_come_in_order_and_none_is_missing() -> None:
    async def main() -> None:
        async with stream_service() as service, page(service) as reader:
            name = await reader.subscribe("trades", rate=50)
            for number in range(200):
                service.trade(sequence=number)
                if number % 20 == 0:
                    await asyncio.sleep(0.01)
            while len(reader.reader.trades[name]) < 200:
                await reader.next("trade")
            assert [trade["sequence"] for trade in reader.reader.trades[name]] == list(range(200))

    run(main())


def test_a_reader_resumes_where_it_was_cut_off() -> None:
    async def main() -> None:
        async with stream_service() as service:
            async with page(service) as first:
                name = await first.subscribe("book", depth=5, rate=100)
                await first.next("snapshot")
                service.change(ticks=1)
                await first.next("update")
            held = first.reader.books[name]
            service.change(ticks=2)
            await asyncio.sleep(0.05)
            async with page(service) as second:
                second.reader.books[name] = held
                since = {"epoch": first.reader.epoch, "seq": held.seq}
                await second.subscribe("book", depth=5, rate=100, since=since)
                assert second.reader.subscribed[name]["resumed"]
                await second.next("update")
                assert held.checksum() == service.engine.checksum(7, 5)
                assert service.hub.counters.caught_up == 1

    run(main())


def test_who_resumes_from_another_life_gets_a_snapshot() -> None:
    async def main() -> None:
        async with stream_service() as service, page(service) as reader:
            name = await reader.subscribe("book", since={"epoch": "before", "seq": 3})
            assert not reader.reader.subscribed[name]["resumed"]
            await reader.next("snapshot")

    run(main())


def test_readers_of_a_class_get_one_encoding() -> None:
    async def main() -> None:
        async with (
            stream_service() as service,
            page(service) as first,
            page(service) as second,
            page(service) as third,
        ):
            for reader in (first, second, third):
                await reader.subscribe("book", depth=10, rate=100)
                await reader.next("snapshot")
            counters = service.hub.counters
            before = (counters.encodes, counters.frames, counters.sends)
            service.change(ticks=3)
            texts = {
                json.dumps(await reader.next("update"), sort_keys=True) for reader in (first, second, third)
            }
            assert len(texts) == 1
            after = (counters.encodes, counters.frames, counters.sends)
            assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 3]
            assert counters.snapshots == 1

    run(main())


def test_a_lost_feed_is_told_at_once_and_to_who_comes_later() -> None:
    async def main() -> None:
        async with stream_service() as service, page(service) as reader:
            name = await reader.subscribe("book", rate=1)
            status = await reader.subscribe("status")
            assert (await reader.next("status"))["feed"] == "live"
            trades = await reader.subscribe("trades")
            service.told.disconnect()
            assert (await reader.next("update"))["stale"] is True
            told = reader.reader.statuses
            while [each["feed"] for each in told.values()] != ["stale", "stale"]:
                await reader.next("status")
            assert set(told) == {status, trades}
            async with page(service) as later:
                await later.subscribe("book", rate=1)
                assert (await later.next("snapshot"))["stale"] is True
            service.told.connect()
            service.told.records(service.engine.snapshot())
            service.told.completed()
            assert (await reader.next("resync"))["reason"] == "feed_reconnected"
            snapshot = await reader.next("snapshot")
            assert (snapshot["class"], snapshot["stale"]) == (name, False)

    run(main())


WRONG = {
    "no JSON": ("{", "bad_json"),
    "no object": ("[1]", "bad_request"),
    "no op": ("{}", "bad_request"),
    "an unknown op": ('{"op":"buy"}', "bad_request"),
    "an unknown field": ('{"op":"ping","colour":1}', "bad_request"),
    "an unknown channel": ('{"op":"subscribe","channel":"news","instruments":["7"]}', "bad_request"),
    "no instruments": ('{"op":"subscribe","channel":"book","instruments":[]}', "bad_request"),
    "an unknown instrument": (
        '{"op":"subscribe","channel":"book","instruments":["nix"]}',
        "unknown_instrument",
    ),
    "one unknown instrument": (
        '{"op":"subscribe","channel":"book","instruments":["7","nix"]}',
        "unknown_instrument",
    ),
    "another depth": ('{"op":"subscribe","channel":"book","instruments":["7"],"depth":7}', "bad_depth"),
    "a depth of bbo": ('{"op":"subscribe","channel":"bbo","instruments":["7"],"depth":1}', "bad_depth"),
    "another rate": ('{"op":"subscribe","channel":"book","instruments":["7"],"rate":3}', "bad_rate"),
    "a rate of orders": ('{"op":"subscribe","channel":"orders","instruments":["7"],"rate":100}', "bad_rate"),
    "another publisher": (
        '{"op":"subscribe","channel":"book","instruments":["7"],"publisher":9}',
        "unknown_publisher",
    ),
    "no subscription": ('{"op":"unsubscribe","class":"book:7:1:10:20"}', "not_subscribed"),
}


def test_wrong_requests_have_typed_errors_and_change_nothing() -> None:
    async def main() -> None:
        async with stream_service() as service, page(service) as reader:
            for text, code in WRONG.values():
                await reader.connection.send(text)
                error = await reader.next("error", "subscribed")
                assert (error["type"], error.get("code"), error["fatal"]) == ("error", code, False), text
            assert service.hub.counters.subscriptions == 0
            await reader.ask("ping", id="still here")
            assert (await reader.next("pong"))["id"] == "still here"

    run(main())


def test_an_error_names_the_request() -> None:
    async def main() -> None:
        async with stream_service() as service, page(service) as reader:
            await reader.ask("subscribe", id=17, channel="book", instruments=["nix"])
            assert (await reader.next("error"))["id"] == 17
            await reader.ask("subscribe", id=18, channel="news", instruments=["nix"])
            assert (await reader.next("error"))["id"] == 18

    run(main())


@pytest.mark.parametrize("ready_frames", [True, False], ids=["ready frames", "plain ASGI"])
def test_who_breaks_a_limit_is_told_which_and_closed(ready_frames: bool) -> None:
    options = HubOptions(subscriptions_per_connection=1, messages_per_s=5, message_bytes=300)

    async def main() -> None:
        async with stream_service(options=options, ready_frames=ready_frames) as service:
            async with page(service) as greedy:
                await greedy.ask("subscribe", channel="book", instruments=["7", "8"])
                assert (await greedy.next("error"))["code"] == "too_many_subscriptions"
                assert await greedy.closed() == (4029, "too_many_subscriptions")
            async with page(service) as hasty:
                for _ in range(15):
                    await hasty.ask("ping")
                assert (await hasty.next("error"))["code"] == "rate_limited"
                assert (await hasty.closed())[0] == 4029
            async with page(service) as wordy:
                await wordy.ask("ping", id="x" * 300)
                assert (await wordy.next("error"))["code"] == "message_too_big"
                assert (await wordy.closed())[0] == 4029
            assert service.hub.counters.clients == 0

    run(main())


def test_connections_of_an_address_are_counted_and_given_back() -> None:
    async def main() -> None:
        async with stream_service(options=HubOptions(connections_per_address=2)) as service:
            async with page(service), page(service), page(service) as third:
                assert (await third.next("error"))["code"] == "too_many_connections"
                assert await third.closed() == (4029, "too_many_connections")
            async with page(service) as again:
                await again.subscribe("book")

    run(main())


def test_without_a_key_there_is_no_stream_where_one_is_needed() -> None:
    async def main() -> None:
        async with stream_service(settings=api_settings(anonymous_read=False)) as service:
            with pytest.raises(InvalidStatus) as refused:
                async with page(service):
                    pass
            assert refused.value.response.status_code == 401
            assert b"key-required" in (refused.value.response.body or b"")

    run(main())


def test_the_hub_parts_from_all_with_1012_and_a_hint() -> None:
    async def main() -> None:
        async with stream_service() as service, page(service) as first, page(service) as second:
            await first.subscribe("book")
            closing = asyncio.create_task(service.hub.close(0.2))
            for reader in (first, second):
                code, reason = await reader.closed()
                assert code == 1012
                assert "reconnect in" in reason
            await closing
            assert service.hub.counters.clients == 0
            async with page(service) as late:
                assert (await late.next("error"))["code"] == "restarting"
                assert (await late.closed())[0] == 1012

    run(main())


def test_a_reader_who_hangs_up_leaves_nothing_behind() -> None:
    async def main() -> None:
        async with stream_service(options=HubOptions(linger_s=0.2, heartbeat_s=0.2)) as service:
            for _ in range(3):
                async with page(service) as reader:
                    await reader.subscribe("book")
                    await reader.subscribe("orders")
                    reader.connection.transport.abort()
                    with pytest.raises(ConnectionClosed):
                        await reader.next("never")
            async with asyncio.timeout(5):
                while service.hub.counters.clients or service.hub.counters.classes:
                    await asyncio.sleep(0.05)
            assert service.hub.counters.subscriptions == 0
            assert not service.server.server_state.connections

    run(main())
