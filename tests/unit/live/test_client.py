"""One connection: handshakes and streams in every split, and what ends it."""

import asyncio
import pickle
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthcast.errors import AuthenticationError, DepthcastError, ProtocolError
from depthcast.live.client import BUFFER_BYTES, CallbackError, Client
from depthcast.live.control import System, heartbeat, session_metadata, system
from depthcast.live.handshake import Login
from tests.support.live_wire import ACCEPTED, GREETING, LOGIN, Owner, Wire, feed
from tests.support.records import add, other, status
from tests.support.scripted_gateway import DATASET, KEY, Peer, gateway

T = TypeVar("T")
RECORDS = b"".join(add(n, "B", 100, 1, ts_event=n) for n in range(1, 60))
MIXED = add(1, "B", 1, 1) + status(7) + other(0x0A, 368) + add(2, "A", 1, 1) + other(0xEE, 24)


def run(main: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(main, 10))


def split(data: bytes, sizes: list[int]) -> list[bytes]:
    """``data`` in pieces of these sizes, again and again."""
    pieces, at, turn = [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        pieces.append(data[at : at + size])
        at, turn = at + size, turn + 1
    return pieces


METADATA = session_metadata(DATASET, 1)


def begun(login: Login = LOGIN, buffer: bytearray | None = None) -> tuple[Client, Owner, Wire]:
    """A client whose session was accepted and started."""
    owner, wire = Owner(), Wire()
    client = Client(login, owner, buffer)
    client.connection_made(wire)
    feed(client, ACCEPTED + session_metadata(DATASET, 1, ts_out=login.ts_out))
    return client, owner, wire


def test_it_answers_the_challenge_and_starts() -> None:
    client, owner, wire = begun()
    lines = wire.sent.decode().splitlines()
    expected = "auth=00bc91f758c8872c9bb4538c69a9a586d40facd5893715a6a4c0eefd10f9a169-bUcKt"
    assert lines[0].startswith(f"{expected}|dataset={DATASET}|encoding=dbn|ts_out=0|compression=none|")
    assert lines[1:] == ["schema=mbo|stype_in=raw_symbol|symbols=ALL_SYMBOLS", "start_session=0"]
    assert owner.session == ("7", "0.9.4")
    assert owner.metadata is not None
    assert client.received == len(ACCEPTED + METADATA)


@given(st.lists(st.integers(1, 90), min_size=1, max_size=8))
def test_any_split_of_the_bytes_gives_the_same(sizes: list[int]) -> None:
    async def main() -> None:
        owner, wire = Owner(), Wire()
        client = Client(LOGIN, owner, bytearray(4096))
        client.connection_made(wire)
        stream = METADATA + RECORDS + heartbeat(ts_event=1) + MIXED + system(9, "odd", ts_event=1) + RECORDS
        for piece in split(ACCEPTED + stream, sizes):
            feed(client, piece)
        assert not wire.aborted, owner.error
        assert owner.data == RECORDS + MIXED + RECORDS
        assert [(each.code, each.msg) for each in owner.control if isinstance(each, System)] == [
            (0, "Heartbeat"),
            (9, "odd"),
        ]
        assert client.records == 59 + 5 + 59

    run(main())


def test_whole_reads_are_handed_on_whole() -> None:
    client, owner, _ = begun()
    feed(client, RECORDS)
    assert owner.calls == 1


def test_records_with_ts_out_come_as_they_are() -> None:
    client, owner, _ = begun(Login(LOGIN.key, DATASET, ts_out=True))
    data = b"".join(add(n, "B", 1, 1, ts_out=n) for n in range(9))
    feed(client, data)
    assert owner.data == data
    assert client.last_time == 1


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "greeting"),
        (b"lsg_version=0.9.4\nsuccess=1\n", "challenge"),
        (b"x" * 70_000, "no line end"),
        (GREETING + b"hello\n", "answer to the authentication"),
        (ACCEPTED + b"success=1|session_id=8\n" + bytes(99), "expected DBN"),
        (ACCEPTED + b"DBN\x09" + bytes(200), "version 9"),
        (ACCEPTED + b"DBN\x03\xff\xff\xff\xff" + bytes(200), "metadata of 4,294,967,303 bytes"),
        (ACCEPTED + METADATA[:12] + b"\xff" * 116, "metadata"),
        (ACCEPTED + session_metadata("OTHER", 1), "OTHER"),
        (ACCEPTED + session_metadata(DATASET, 1, ts_out=True), "ts_out"),
        (ACCEPTED + METADATA + RECORDS + b"\2\1" + bytes(60), "8 bytes"),
        (ACCEPTED + METADATA + b"\x0f\xa0" + bytes(60), "60 bytes"),
        (ACCEPTED + METADATA + b"\x10\x17" + bytes(62), "SYSTEM record of 64 bytes"),
    ],
)
def test_what_the_protocol_has_not_ends_the_connection(sent: bytes, reason: str) -> None:
    async def main() -> None:
        owner, wire = Owner(), Wire()
        client = Client(LOGIN, owner)
        client.connection_made(wire)
        feed(client, sent)
        assert wire.aborted
        client.connection_lost(None)
        assert isinstance(owner.error, DepthcastError)
        assert reason in str(owner.error)

    run(main())


def test_records_before_a_broken_one_were_handed_on() -> None:
    client, owner, wire = begun()
    feed(client, RECORDS + b"\2\1" + bytes(60))
    assert wire.aborted
    assert owner.data == RECORDS


def test_a_refusal_is_an_authentication_error() -> None:
    owner, wire = Owner(), Wire()
    client = Client(LOGIN, owner)
    client.connection_made(wire)
    feed(client, GREETING + b"success=0|error=User authentication failed.\n")
    client.connection_lost(None)
    assert isinstance(owner.error, AuthenticationError)
    assert "User authentication failed." in str(owner.error)
    assert LOGIN.key not in repr(LOGIN)


@pytest.mark.parametrize("cut", [1, 15, 55])
def test_an_end_inside_a_record_is_no_orderly_end(cut: int) -> None:
    client, owner, _ = begun()
    feed(client, RECORDS + RECORDS[:cut])
    client.eof_received()
    client.connection_lost(None)
    assert isinstance(owner.error, ProtocolError)
    assert owner.data == RECORDS


def test_an_end_between_records_is() -> None:
    client, owner, _ = begun()
    feed(client, RECORDS)
    client.connection_lost(None)
    assert owner.error is None
    assert owner.closed.is_set()


def test_paused_nothing_is_handed_on_and_then_all_of_it() -> None:
    client, owner, wire = begun()
    feed(client, RECORDS[:112])
    client.pause()
    assert client.paused
    feed(client, RECORDS[112:])  # what had been read already
    assert owner.data == RECORDS[:112]
    client.resume()
    assert owner.data == RECORDS
    assert wire.calls == ["pause", "resume"]


def test_a_callback_may_pause_and_resume() -> None:
    client, owner, _ = begun()
    take = owner.on_records

    def stubborn(records: memoryview) -> None:
        take(records)
        client.pause()
        client.resume()

    client._on_records = stubborn
    feed(client, RECORDS + heartbeat(ts_event=1) + RECORDS)
    assert owner.data == RECORDS * 2


def test_a_callback_may_end_the_connection_amid_a_read() -> None:
    client, owner, wire = begun()
    take = owner.on_records

    def once(records: memoryview) -> None:
        take(records)
        client.abort()

    client._on_records = once
    feed(client, RECORDS + heartbeat(ts_event=1) + RECORDS)
    client.connection_lost(None)
    assert wire.aborted
    assert (owner.data, owner.control, owner.error) == (RECORDS, [], None)


def test_what_a_callback_raises_is_told_as_such() -> None:
    client, owner, wire = begun()

    def broken(records: memoryview) -> None:
        raise ZeroDivisionError

    client._on_records = broken
    feed(client, RECORDS)
    client.connection_lost(None)
    assert wire.aborted
    assert isinstance(owner.error, CallbackError)
    assert isinstance(owner.error.__cause__, ZeroDivisionError)


def test_a_view_that_is_kept_fails_where_it_is_used() -> None:
    client, _, wire = begun()
    kept: list[memoryview] = []

    def keep(records: memoryview) -> None:
        kept.append(records)

    client._on_records = keep
    feed(client, RECORDS)
    with pytest.raises(ValueError, match="released"):
        kept[0].tobytes()
    assert not wire.aborted


def test_an_export_that_is_kept_is_told_at_once() -> None:
    client, owner, wire = begun()
    kept: list[pickle.PickleBuffer] = []
    client._on_records = lambda records: kept.append(pickle.PickleBuffer(records))
    feed(client, RECORDS)
    client.connection_lost(None)
    assert wire.aborted
    assert isinstance(owner.error, CallbackError)
    assert "copy what is to stay" in str(owner.error.__cause__)


def test_the_buffer_is_reused_however_long_the_stream() -> None:
    buffer = bytearray(4096)
    client, owner, _ = begun(buffer=buffer)
    for piece in split(RECORDS * 50, [1000, 77, 4096, 3]):
        feed(client, piece)
    assert owner.data == RECORDS * 50
    assert len(buffer) == 4096 < BUFFER_BYTES


@pytest.mark.parametrize("size", [1, 7, 100, 100_000])
def test_a_compressed_stream_is_unpacked(size: int) -> None:
    async def main() -> None:
        owner = Owner()

        async def script(peer: Peer) -> None:
            await peer.begin()
            for at in range(0, len(RECORDS), 1000):
                await peer.send(RECORDS[at : at + 1000])
            await peer.send(heartbeat(ts_event=1) + MIXED)

        login = Login(KEY, DATASET, compression="zstd")
        async with gateway(script) as running:
            client = Client(login, owner, bytearray(max(size, 4096)))
            await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", running.port)
            await owner.closed.wait()
        assert owner.error is None
        assert owner.data == RECORDS + MIXED
        assert len(owner.control) == 1

    run(main())


def test_a_compressed_stream_that_is_none_ends_the_connection() -> None:
    client, owner, wire = begun_compressed()
    feed(client, METADATA)
    client.connection_lost(None)
    assert wire.aborted
    assert "zstd" in str(owner.error)


def begun_compressed() -> tuple[Client, Owner, Wire]:
    owner, wire = Owner(), Wire()
    client = Client(Login(KEY, DATASET, compression="zstd"), owner)
    client.connection_made(wire)
    feed(client, ACCEPTED)
    return client, owner, wire
