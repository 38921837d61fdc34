"""The system page as a server sends it: pictures, alarms, storage, samples; and many instruments' lines."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from depthcast.api.pages import board as board_module
from depthcast.api.pages.board import Board
from depthcast.api.pages.gauges import HISTORY_S
from depthcast.api.pages.numbers import bytes_text, lasting_text, time_text
from depthcast.api.pages.system import HEIGHT, WIDTH, histogram, place
from depthcast.dbn.ages import Ages
from tests.support.api_service import Api, api_over, api_settings
from tests.support.api_world import feed_of_the_world
from tests.support.gateways import until

HOUR_NS = 3_600 * 10**9


def asked(test: Callable[[Api], Awaitable[None]], **arguments: Any) -> None:
    async def run() -> None:
        async with api_over(feed_of_the_world(), **arguments) as api:
            await test(api)

    asyncio.run(run())


def test_a_histogram_has_its_bars_where_the_durations_are() -> None:
    assert histogram(Ages()) == ""
    ages = Ages()
    ages.add(1_000_000, 10)
    ages.add(100_000_000, 5)
    path = histogram(ages)
    heights = {
        round(float(x)): float(y) for x, y in re.findall(r"H([\d.]+)V([\d.]+)", path.removesuffix("Z"))
    }
    tops = sorted(x for x, y in heights.items() if y < HEIGHT)
    assert len(tops) == 2
    # A millisecond is three decades of seven from the left, a tenth of a second five.
    assert [round(x / WIDTH * 7, 1) for x in tops] == [
        pytest.approx(3.0, abs=0.11),
        pytest.approx(5.0, abs=0.11),
    ]
    assert heights[tops[0]] == 0.0
    assert heights[tops[1]] == HEIGHT / 2


def test_durations_off_the_scale_stay_on_the_picture() -> None:
    ages = Ages()
    ages.add(1, 3)
    assert histogram(ages).startswith(f"M0,{HEIGHT}H0V0.0")
    far = Ages()
    far.add(HOUR_NS)
    assert histogram(far) == ""
    assert (place(0), place(1_000), place(1_000_000), place(HOUR_NS)) == ("0.00", "0.00", "42.86", "100.00")


def test_quantities_are_short_and_have_their_units() -> None:
    assert [time_text(us) for us in (0.5, 99.94, 999.4, 999.5, 12_345, 1.5e6)] == [
        "0.50 µs", "99.9 µs", "999 µs", "1.00 ms", "12.3 ms", "1.50 s",
    ]  # fmt: skip
    assert [bytes_text(size) for size in (0, 1023, 1024, 5 * 2**30, 3 * 2**40)] == [
        "0 B", "1,023 B", "1.0 KiB", "5.0 GiB", "3.0 TiB",
    ]  # fmt: skip
    times = [lasting_text(s * 10**9) for s in (0, 59, 61, 3_660, 90_000)]
    assert times == ["0 s", "59 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]


def test_the_page_has_all_parts_and_says_what_it_does_not_know() -> None:
    async def test(api: Api) -> None:
        html = (await api.get("/system")).text
        for title in ("Records in", "Latency by hop", "Gateway to books", "Feeds", "Clients", "Stream"):
            assert title in html
        assert api.replica.name in html
        storage = (await api.get("/system/storage")).text
        assert "say with api.journal" in storage
        assert "say with database.url" in storage

    asked(test)


def test_alarms_name_books_that_cannot_be_trusted_and_are_sent_once() -> None:
    async def test(api: Api) -> None:
        html = (await api.get("/system/alarms")).text
        assert "1 book cannot be trusted: SUSP" in html
        known = re.findall(r"known=(\w+)", html)[0]
        assert (await api.get(f"/system/alarms?known={known}")).status_code == 204
        assert (await api.get("/system/alarms?known=other")).status_code == 200

    asked(test)


def test_a_lost_feed_is_the_first_alarm_with_what_to_do() -> None:
    async def test(api: Api) -> None:
        await api.served[0].gateway.close()
        await until(lambda: api.replica.stale_since_ns is not None)
        found = api.app.state.system.alarms()["alarms"]
        assert found[0].tone == "bad"
        assert re.match(r"The feed .* is lost since \d\d:\d\d:\d\d UTC", found[0].what)
        assert "Look whether the feed runs" in found[0].do

    asked(test)


def test_samples_are_told_from_where_one_has_them_and_bounded() -> None:
    async def test(api: Api) -> None:
        gauges = api.app.state.system.gauges
        for _ in range(3):
            gauges.sample()
        rows = (await api.get("/system/series")).json()["rows"]
        assert len(rows) >= 3
        assert all(len(row) == 5 for row in rows)
        after = (await api.get(f"/system/series?since={rows[-1][0]}")).json()["rows"]
        assert len(after) <= 1
        assert (await api.get("/system/series?since=x")).status_code == 200
        for _ in range(HISTORY_S + 5):
            gauges.sample()
        assert len(gauges.seconds) == HISTORY_S
        assert gauges.troubles() == {}
        api.app.state.runtime.buckets.refused += 2
        assert gauges.troubles() == {"rate_limited": 2}
        assert any("refused 2 times" in each.what for each in api.app.state.system.alarms()["alarms"])

    asked(test)


def test_hops_are_those_of_the_api() -> None:
    async def test(api: Api) -> None:
        names = [hop.name for hop in api.app.state.system.gauges.hops()]
        assert names == ["venue_to_applied", "gateway_to_applied", "encoded_to_written", "request_to_answer"]
        stats = (await api.get("/v1/stats")).json()
        assert [hop["hop"] for hop in stats["hops"]] == [
            "gateway_to_applied", "venue_to_applied", "encoded_to_written",
        ]  # fmt: skip
        assert (
            b"depthcast_stream_hop_seconds"
            in (await api.connect(address="127.0.0.1").get("/metrics")).content
        )

    asked(test, streams=None)


def test_nobody_sees_it_without_a_key() -> None:
    async def test(api: Api) -> None:
        for path in (
            "/system",
            "/system/live",
            "/system/alarms?known=x",
            "/system/storage",
            "/system/series",
        ):
            assert (await api.get(path)).status_code == 401, path

    asked(test, settings=api_settings(anonymous_read=False))


def test_of_many_instruments_each_has_its_line_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_module, "EACH_SECOND", 2)

    async def test(api: Api) -> None:
        clock = iter(range(0, 10**15, 10**9))
        board = Board(api.services.market, api.services.tape, lambda: next(clock))
        found = api.services.market.listings()
        board.start()
        board.stop()
        assert board._apart_s == 3
        for _ in range(700):
            for listing in found:
                board.sample(listing)
        listing = api.services.market.find("CLX5")
        history = board.history(listing)
        assert len(history) == 200
        assert history[-1].bid == 64_790_000_000
        assert board.spark(listing) is board.spark(listing)
        assert len(board.spark(listing).split()) <= board_module.SPARK_WIDTH

    asked(test)
