"""The official Databento client, unmodified, against the gateway."""

import asyncio
import contextlib
import io
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import databento
import databento_dbn
import pytest
import zstandard

from depthcast.book.derive import SCHEMAS
from depthcast.book.engine import Engine
from depthcast.dbn import forms
from depthcast.dbn.layout import RType
from depthcast.live.control import ErrorCode
from depthcast.live.symbology import Symbology
from tests.support.gateways import Served, run, serve, until
from tests.support.live_client import METADATA_BYTES, SECRET, same
from tests.support.recorded_feed import RecordedFeed, cut, derived
from tests.support.samples import records

DATASET = "GLBX.MDP3"
CLX5 = 432669


@pytest.fixture(scope="module")
def clx5(data_dir: Path) -> bytes:
    return records(data_dir / "CLX5_mbo.dbn").tobytes()


class Official:
    """The client in a thread of its own, writing what it receives to memory."""

    def __init__(self, served: Served, path: Path, **options: Any) -> None:
        host, port = served.address
        self.path = path
        self.client = databento.Live(key=SECRET, gateway=host, port=port, **options)
        self.received: list[Any] = []
        self.client.add_callback(self.received.append)
        self.client.add_stream(path)

    def subscribe(self, schema: str, **options: Any) -> None:
        self.client.subscribe(DATASET, schema, symbols=options.pop("symbols", ["CLX5"]), **options)

    def finish(self) -> bytes:
        """Wait for the gateway's end; the data records as they were written, send times taken off."""
        with contextlib.suppress(databento.BentoError):  # it raises what error records said; they are kept
            self.client.block_for_close(timeout=15)
        raw = self.path.read_bytes()
        if raw[:4] == b"\x28\xb5\x2f\xfd":
            raw = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw)).read()
        return forms.plain(raw[METADATA_BYTES:], ts_out=bool(raw[52]))


def through_the_client(
    data: bytes, path: Path, subscribe: Callable[[Official], None], *, before: int = 0, **options: Any
) -> tuple[Official, bytes]:
    """What the client receives of a feed that begins, or goes on, once it has started."""

    async def main() -> tuple[Official, bytes]:
        feed = RecordedFeed(
            cut(data, records=500), symbology=Symbology.from_mapping({"CLX5": CLX5}), dataset=DATASET
        )
        async with serve(feed) as served:
            feed.publish(before)

            def begin() -> Official:
                official = Official(served, path, **options)
                subscribe(official)
                official.client.start()
                return official

            official = await asyncio.to_thread(begin)
            await served.started(1)
            while feed.left:
                feed.publish(1)
                await asyncio.sleep(0)
            feed.end()
            return official, await asyncio.to_thread(official.finish)

    return run(main())


@pytest.mark.parametrize(
    "options",
    [{}, {"ts_out": True}, {"compression": databento_dbn.Compression.ZSTD}],
    ids=["plain", "ts_out", "zstd"],
)
def test_mbo_arrives_byte_for_byte(clx5: bytes, tmp_path: Path, options: dict[str, Any]) -> None:
    official, data = through_the_client(
        clx5, tmp_path / "out.dbn", lambda client: client.subscribe("mbo"), **options
    )
    assert same(data, clx5)
    orders = [each for each in official.received if isinstance(each, databento_dbn.MBOMsg)]
    assert len(orders) == len(clx5) // 56
    assert official.client.symbology_map == {CLX5: "CLX5"}
    if "ts_out" in options:
        assert orders[0].ts_out is not None
    stored = databento.DBNStore.from_bytes((tmp_path / "out.dbn").read_bytes())
    assert stored.dataset == DATASET


def test_start_gives_the_past_and_what_follows(clx5: bytes, tmp_path: Path) -> None:
    _, data = through_the_client(
        clx5, tmp_path / "out.dbn", lambda client: client.subscribe("mbo", start=0), before=40
    )
    assert same(data, clx5)


def test_a_snapshot_gives_the_same_book(clx5: bytes, tmp_path: Path) -> None:
    _, data = through_the_client(
        clx5, tmp_path / "out.dbn", lambda client: client.subscribe("mbo", snapshot=True), before=40
    )
    whole, joined = Engine(), Engine()
    whole.apply(clx5)
    joined.apply(data)
    assert joined.checksum(CLX5) == whole.checksum(CLX5)


def test_derived_schemas_of_many_symbols_in_one_session(clx5: bytes, tmp_path: Path) -> None:
    def subscribe(client: Official) -> None:
        client.subscribe("mbp-1", symbols=[*[f"NO{n}" for n in range(1200)], "CLX5"])
        client.subscribe("trades", symbols="ALL_SYMBOLS")
        client.subscribe("ohlcv-1s", symbols=[CLX5], stype_in="instrument_id")

    official, data = through_the_client(clx5, tmp_path / "out.dbn", subscribe)
    for schema in ("mbp-1", "trades", "ohlcv-1s"):
        found = forms.form(data, rtypes=[SCHEMAS[schema].rtype])
        assert same(found, derived([clx5], schema)), schema
    errors = [each for each in official.received if isinstance(each, databento_dbn.ErrorMsg)]
    assert len(errors) == 1200
    assert {int(each.code) for each in errors} == {ErrorCode.SYMBOL_RESOLUTION_FAILED}


def test_a_wrong_key_is_refused(clx5: bytes) -> None:
    async def main() -> None:
        feed = RecordedFeed(cut(clx5[:5600], records=500), dataset=DATASET)
        async with serve(feed) as served:

            def attempt() -> None:
                host, port = served.address
                client = databento.Live(key="db-" + "x" * 29, gateway=host, port=port)
                with pytest.raises(databento.BentoError, match=r"User authentication failed\."):
                    client.subscribe(DATASET, "mbo", symbols=["CLX5"])

            await asyncio.to_thread(attempt)

    run(main())


@pytest.mark.parametrize("how", ["drain", "die"])
def test_its_reconnect_policy_finds_the_successor_after_a_drain_and_after_a_crash(
    clx5: bytes, tmp_path: Path, how: str
) -> None:
    """Who keeps the listening socket open lets clients wait: this client never tries a second time."""

    async def main() -> None:
        feed = RecordedFeed(
            cut(clx5, records=500), symbology=Symbology.from_mapping({"CLX5": CLX5}), dataset=DATASET
        )
        with socket.create_server(("127.0.0.1", 0)) as listener:
            async with serve(feed, listener=listener, drain_accept_s=0, drain_spread_s=0.1) as served:

                def begin() -> Official:
                    official = Official(served, tmp_path / "out.dbn", reconnect_policy="reconnect")
                    official.subscribe("mbo")
                    official.client.start()
                    return official

                official = await asyncio.to_thread(begin)
                await served.started(1)
                feed.publish(10)
                await until(lambda: len(official.received) > 5000)
                await (served.gateway.drain() if how == "drain" else served.gateway.close())
            await asyncio.sleep(0.3)
            async with serve(feed, listener=listener) as successor:
                await successor.started(1)
                feed.end()
                await asyncio.to_thread(official.finish)
        orders = [bytes(each) for each in official.received if isinstance(each, databento_dbn.MBOMsg)]
        assert same(b"".join(orders), clx5)

    run(main())


def test_rtypes_that_official_clients_know_are_all_that_is_sent(clx5: bytes, tmp_path: Path) -> None:
    official, _ = through_the_client(
        clx5[: 56 * 2000], tmp_path / "out.dbn", lambda client: client.subscribe("mbp-10")
    )
    assert {int(each.rtype) for each in official.received} <= {
        RType.MBP_10,
        RType.SYSTEM,
        RType.SYMBOL_MAPPING,
    }
