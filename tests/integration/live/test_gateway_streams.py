"""What sessions are sent: every schema, filters, send times, compression, snapshots, replays, all at once."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from depthcast.book.derive import SCHEMAS
from depthcast.book.engine import Engine
from depthcast.dbn import forms
from depthcast.dbn.layout import RType
from depthcast.live.control import ErrorCode, SystemCode
from tests.support.gateways import run, serve, until
from tests.support.live_client import METADATA_BYTES, Received, starts, subscription
from tests.support.market import INSTRUMENTS, market, not_snapshot, of, symbology
from tests.support.recorded_feed import BY_HAND, RecordedFeed, cut, derived
from tests.support.records import status

DATA = market(400)
MBO = of(DATA, RType.MBO)
ALL_IDS = tuple(INSTRUMENTS)


def feed(*, records: int = 7, **options: Any) -> RecordedFeed:
    return RecordedFeed(cut(DATA, records=records), symbology=symbology(), **options)


def received(*subscriptions: str, fields: tuple[str, ...] = ()) -> Received:
    """What a session is sent that was there from the beginning."""

    async def main() -> Received:
        async with serve(feed()) as served:
            client = await served.session(*subscriptions, fields=fields)
            await served.started(1)
            return (await served.all_of(client))[0]

    return run(main())


@pytest.mark.parametrize(
    "fields", [(), ("ts_out=1",), ("compression=zstd",), ("compression=zstd", "ts_out=1")]
)
def test_mbo_is_the_feed_byte_for_byte(fields: tuple[str, ...]) -> None:
    got = received(subscription(), fields=fields)
    assert got.data == MBO
    assert got.raw[52] == ("ts_out=1" in fields)
    assert got.rest == b""
    assert got.symbols == INSTRUMENTS
    assert got.said[-1] == (SystemCode.UNSET, "The source has ended.")


def test_ts_out_is_on_every_record_and_never_goes_back() -> None:
    got = received(subscription(), subscription("trades"), fields=("ts_out=1",))
    body = got.raw[METADATA_BYTES:]
    stamps = [int.from_bytes(body[at + size - 8 : at + size], "little") for at, size in starts(body)]
    assert len(stamps) > 400
    assert all(before <= after for before, after in pairwise(stamps))
    assert min(stamps) > 1_700_000_000_000_000_000


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_derived_schema_is_what_derivation_gives(schema: str) -> None:
    expected = derived(cut(DATA, records=7), schema)
    got = received(subscription(schema))
    assert got.data == expected
    some = received(subscription(schema, "BBB,DDD"), fields=("ts_out=1",))
    assert some.data == of(expected, SCHEMAS[schema].rtype, ids=(102, 104))


@pytest.mark.parametrize("fields", [(), ("ts_out=1",)])
def test_some_instruments_of_several_schemas_in_the_order_of_the_feed(fields: tuple[str, ...]) -> None:
    got = received(
        subscription("mbo", "AAA,CCC"),
        subscription("mbo", "CCC,DDD"),
        subscription("status", "ALL_SYMBOLS"),
        subscription("definition", "101", stype_in="instrument_id"),
        fields=fields,
    )
    wanted = b"".join(
        record
        for record in (DATA[at : at + size] for at, size in starts(DATA))
        if (record[1] == RType.MBO and of(record, RType.MBO, ids=(101, 103, 104)))
        or record[1] == RType.STATUS
        or (record[1] == RType.INSTRUMENT_DEF and of(record, RType.INSTRUMENT_DEF, ids=(101,)))
    )
    assert got.data == wanted


def test_everything_carried_is_the_feed_itself() -> None:
    got = received(subscription("mbo"), subscription("status"), subscription("definition"))
    assert got.data == DATA


def test_mbo_and_derived_schemas_in_one_session() -> None:
    got = received(subscription("mbo", "AAA"), subscription("mbp-10"), subscription("trades", "BBB"))
    assert got.of(RType.MBO) == of(DATA, RType.MBO, ids=(101,))
    assert got.of(RType.MBP_10) == derived([DATA], "mbp-10")
    assert got.of(RType.MBP_0) == of(derived([DATA], "trades"), RType.MBP_0, ids=(102,))


@pytest.mark.parametrize("lag", [0, 9])
@pytest.mark.parametrize("fields", [(), ("ts_out=1", "compression=zstd")])
def test_a_snapshot_and_what_follows_give_the_same_books(lag: int, fields: tuple[str, ...]) -> None:
    async def main() -> None:
        recorded = feed(lag=lag)
        async with serve(recorded) as served:
            recorded.publish(30)
            client = await served.session(subscription("mbo", "AAA,BBB,CCC", snapshot=1), fields=fields)
            await served.started(1)
            recorded.publish(3)
            got = (await served.all_of(client))[0]
            whole, joined = Engine(), Engine()
            whole.apply(DATA)
            joined.apply(got.data)
            assert {key.instrument_id for key in joined.books()} == {101, 102, 103}
            for instrument_id in (101, 102, 103):
                assert joined.checksum(instrument_id) == whole.checksum(instrument_id)
                mine = of(got.data, RType.MBO, ids=(instrument_id,))
                assert mine[36] & 0x20  # it begins with the snapshot
                live = not_snapshot(mine)
                assert of(DATA, RType.MBO, ids=(instrument_id,)).endswith(live)

    run(main())


@pytest.mark.parametrize("fields", [(), ("ts_out=1",)])
@pytest.mark.parametrize("symbols", ["ALL_SYMBOLS", "AAA,CCC"])
def test_where_a_snapshot_ends_is_told(symbols: str, fields: tuple[str, ...]) -> None:
    """Before it comes what makes the books; what follows is live."""

    async def main() -> None:
        recorded = feed()
        async with serve(recorded) as served:
            recorded.publish(30)
            client = await served.session(subscription("mbo", symbols, snapshot=1), fields=fields)
            await served.started(1)
            await until(lambda: served.gateway.view.head == 30)
            got = (await served.all_of(client))[0]
            told = [each for each in got.said if each[0] == SystemCode.REPLAY_COMPLETED]
            assert told == [(3, "Snapshot of mbo completed")]
            at = got.raw.index(b"Snapshot of mbo completed") - 16
            size = 4 * got.raw[at]
            before, after = got.raw[METADATA_BYTES:at], got.raw[at + size :]
            ts_out = "ts_out=1" in fields
            assert not_snapshot(of(forms.plain(after, ts_out=ts_out), RType.MBO)) == of(
                forms.plain(after, ts_out=ts_out), RType.MBO
            )
            there = Engine()
            there.apply(b"".join(recorded.past(n) for n in range(30)))
            joined = Engine()
            joined.apply(forms.plain(before, ts_out=ts_out))
            assert joined.books()
            for key in joined.books():
                assert joined.checksum(key.instrument_id) == there.checksum(key.instrument_id)

    run(main())


@pytest.mark.parametrize("schema", ["definition", "status"])
@pytest.mark.parametrize("symbols", ["ALL_SYMBOLS", "AAA,CCC"])
def test_definitions_and_statuses_begin_with_the_latest_of_each_instrument(schema: str, symbols: str) -> None:
    rtype = RType.INSTRUMENT_DEF if schema == "definition" else RType.STATUS
    ids = ALL_IDS if symbols == "ALL_SYMBOLS" else (101, 103)
    phases = b"".join(status(action, instrument_id=number) for number in ALL_IDS for action in (1, 7))
    later = b"".join(status(8, instrument_id=number) for number in ALL_IDS)

    async def main() -> None:
        recorded = RecordedFeed(cut(phases + DATA + later, records=7), symbology=symbology())
        async with serve(recorded) as served:
            recorded.publish(40)
            client = await served.session(subscription(schema, symbols, snapshot=1))
            await served.started(1)
            got = (await served.all_of(client))[0]
            past = b"".join(recorded.past(n) for n in range(40))
            latest = {one: of(past, rtype, ids=(one,)) for one in ids}
            size = 520 if schema == "definition" else 40
            begin = {one: records[-size:] for one, records in latest.items()}
            rest = b"".join(recorded.past(n) for n in range(40, recorded.head))
            for one in ids:
                assert of(got.data, rtype, ids=(one,)) == begin[one] + of(rest, rtype, ids=(one,))
            assert len(got.data) == sum(map(len, begin.values())) + len(of(rest, rtype, ids=ids))
            assert (3, f"Snapshot of {schema} completed") in got.said

    run(main())


def test_a_snapshot_of_instruments_that_are_streamed_already_loses_and_repeats_nothing() -> None:
    async def main() -> None:
        recorded = feed(lag=5)
        recorded.snapshot_delay_s = 0.02
        async with serve(recorded) as served:
            client = await served.session(subscription("mbo"))
            await served.started(1)
            recorded.publish(20)
            await until(lambda: served.gateway.slowest() == 20)
            await client.send(subscription("mbo", "BBB,CCC", snapshot=1))
            for _ in range(40):
                recorded.publish(1)
                await asyncio.sleep(0.002)
            got = (await served.all_of(client))[0]
            mine = got.data
            live = not_snapshot(mine)
            assert live == MBO
            assert len(mine) > len(live)
            whole, joined = Engine(), Engine()
            whole.apply(DATA)
            joined.apply(mine)
            assert [joined.checksum(each) for each in ALL_IDS] == [whole.checksum(each) for each in ALL_IDS]

    run(main())


@pytest.mark.parametrize(
    ("schema", "fields"),
    [
        ("mbo", ("ts_out=1", "compression=zstd")),
        ("mbo", ()),
        ("trades", ()),
        ("bbo-1s", ("ts_out=1",)),
        ("mbp-1", ("ts_out=1",)),
        ("definition", ()),
    ],
)
def test_the_past_and_what_follows_are_whole(schema: str, fields: tuple[str, ...]) -> None:
    everything = (
        derived([DATA], schema) if schema in SCHEMAS else of(DATA, {"mbo": RType.MBO}.get(schema, 0x13))
    )
    for start in (0, 1_700_000_002_000_000_000):
        expected = forms.since(everything, start, by_ts_recv=schema == "bbo-1s")

        async def main(start: int = start, expected: bytes = expected) -> None:
            recorded = feed()
            async with serve(recorded) as served:
                recorded.publish(30)
                client = await served.session(subscription(schema, start=start), fields=fields)
                await served.started(1)
                for _ in range(10):
                    recorded.publish(1)
                    await asyncio.sleep(0)
                got = (await served.all_of(client))[0]
                assert got.data == expected
                done = [text for code, text in got.said if code == SystemCode.REPLAY_COMPLETED]
                assert done == [f"Replay of {schema} completed"]

        run(main())


def test_replays_live_and_snapshots_of_one_session_each_join_exactly() -> None:
    async def main() -> None:
        recorded = feed(lag=3)
        async with serve(recorded) as served:
            recorded.publish(30)
            client = await served.session(
                subscription("mbo", "ALL_SYMBOLS", id=1),
                subscription("mbo", "AAA", start=0, id=2),
                subscription("mbo", "AAA,BBB", start=0, id=3),
                subscription("trades", "CCC", start=0, id=4),
                subscription("mbo", "DDD", snapshot=1, id=5),
                subscription("status", "ALL_SYMBOLS", start=0, id=6),
            )
            await served.started(1)
            for _ in range(20):
                recorded.publish(1)
                await asyncio.sleep(0.001)
            got = (await served.all_of(client))[0]
            for instrument_id in (101, 102):
                assert of(got.data, RType.MBO, ids=(instrument_id,)) == of(
                    DATA, RType.MBO, ids=(instrument_id,)
                )
            late = of(DATA[forms.prefix(DATA, 30 * 7) :], RType.MBO, ids=(103, 105))
            assert of(got.data, RType.MBO, ids=(103, 105)) == late
            assert got.of(RType.MBP_0) == of(derived([DATA], "trades"), RType.MBP_0, ids=(103,))
            assert got.of(RType.STATUS) == of(DATA, RType.STATUS)
            assert got.errors == []

    run(main())


@pytest.mark.parametrize("fields", [(), ("ts_out=1",)])
def test_a_derived_replay_waits_for_books_behind_what_the_session_was_sent(fields: tuple[str, ...]) -> None:
    """The replay ends where the books are, at batch 12; the session's mbo goes on from batch 20."""

    async def main() -> None:
        recorded = feed(lag=BY_HAND)
        async with serve(recorded) as served:
            recorded.publish(20)
            recorded.books(12)
            client = await served.session(subscription("mbo"), subscription("trades", start=0), fields=fields)
            await served.started(1)
            (flow,) = served.flows()
            await until(lambda: flow.held == 1)
            for _ in range(10):
                recorded.publish(1)
                await asyncio.sleep(0.005)
            assert flow.cursor == 20
            assert flow.schemas == {"mbo"}
            recorded.books(20)  # not the head: that may be ahead for ever
            await until(lambda: flow.schemas == {"mbo", "trades"})
            assert flow.held == 0
            got = (await served.all_of(client))[0]
            assert got.errors == []
            assert got.of(RType.MBO) == of(DATA[forms.prefix(DATA, 20 * 7) :], RType.MBO)
            assert got.of(RType.MBP_0) == derived([DATA], "trades")

    run(main())


def test_a_start_that_is_not_kept_any_more_is_error_8() -> None:
    async def main() -> None:
        recorded = feed()
        recorded.kept_from = 5
        async with serve(recorded) as served:
            client = await served.session(subscription("mbo", start=1))
            got = await client.rest()
            assert [code for code, _ in got.errors] == [ErrorCode.REPLAY_DATA_AGED_OUT]

    run(main())


def test_derived_schemas_are_wanted_while_somebody_has_them() -> None:
    async def main() -> None:
        recorded = feed()
        async with serve(recorded) as served:
            one = await served.session(subscription("trades"), subscription("trades", "AAA"))
            two = await served.session(subscription("trades"), subscription("mbp-1"))
            await served.started(2)
            assert set(recorded.wanted) == {"trades", "mbp-1"}
            two.reset()
            await until(lambda: set(recorded.wanted) == {"trades"})
            (got,) = await served.all_of(one)
            assert got.data == derived([DATA], "trades")
            await until(lambda: recorded.wanted == {})

    run(main())


def test_forms_are_made_once_for_sessions_that_have_the_same() -> None:
    async def main() -> None:
        recorded = feed()
        async with serve(recorded, forms_bytes=1 << 20) as served:
            fields = ("ts_out=1",)
            clients = [await served.session(subscription("mbo", "AAA,BBB"), fields=fields) for _ in range(3)]
            await served.started(3)
            got = await served.all_of(*clients)
            assert all(each.data == of(DATA, RType.MBO, ids=(101, 102)) for each in got)

            def data_with_stamps(each: Received) -> bytes:
                return of(each.raw[METADATA_BYTES:], RType.MBO)

            assert len({data_with_stamps(each) for each in got}) == 1

    run(main())
