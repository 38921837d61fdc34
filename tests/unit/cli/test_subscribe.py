"""``depthcast subscribe``: what it counts, records and rebuilds, and how it ends."""

import io
import signal
import ssl
import sys
import time
from pathlib import Path

import databento
import pytest

from depthcast import Engine
from depthcast.cli._errors import Exit
from depthcast.cli._following import Following
from depthcast.cli._interrupts import Interrupts
from depthcast.cli._latency import Latency
from depthcast.dbn import read_dbn
from depthcast.live import control
from depthcast.live.mappings import mapping_records
from tests.support.certificates import make_certificate
from tests.support.command import command, finish, spawn
from tests.support.followed import END, RECORDS, to_the_end
from tests.support.records import add
from tests.support.scripted_gateway import DATASET, KEY, Peer, gateway_thread

MAPPED = {0: "A0", 1: "A1", 2: "A2", 3: "A3"}
DAY = 86_400_000_000_000
OPTIONS = ("--key", KEY, "--dataset", DATASET)


async def mapped(peer: Peer) -> None:
    """A session as a gateway begins it: acknowledgement, mappings, data."""
    await peer.begin()
    await peer.send(control.acknowledgement(0, "mbo", ts_event=1))
    await peer.send(mapping_records(MAPPED, MAPPED, "raw_symbol", ts_event=1) + RECORDS + END)


async def endless(peer: Peer) -> None:
    await peer.begin()
    await peer.send(RECORDS)
    await peer.gone()


def test_it_counts_to_the_end_and_sums_up() -> None:
    with gateway_thread(mapped) as gateway:
        result = command("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, "--count")
    assert (result.code, result.out) == (Exit.OK, "")
    rows = dict(line.split(None, 1) for line in result.err.splitlines())
    assert rows["ended"] == "the gateway says: That is all."
    assert rows["records"].startswith("300 (0.0 MiB received)")
    assert rows["sessions"] == "1 (0 reconnects, 0 silences)"
    assert rows["gaps"] == "0"


def test_what_is_asked_for_reaches_the_gateway() -> None:
    with gateway_thread(to_the_end) as gateway:
        options = ("--symbols", "A,B", "--stype-in", "parent", "--start", "2025-09-24T00:00:00Z", "--ts-out")
        schemas = ("--schema", "mbo", "--schema", "trades", "--compression", "zstd")
        result = command("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, *options, *schemas, "-q")
        [peer] = gateway.peers
    assert (result.code, result.err) == (Exit.OK, "")
    assert [(line.schema, line.symbols, line.stype_in, line.start) for line in peer.subscriptions] == [
        (schema, ("A", "B"), "parent", 1_758_672_000_000_000_000) for schema in ("mbo", "trades")
    ]
    assert peer.authentication is not None
    assert (peer.authentication.ts_out, peer.authentication.compression) == (True, "zstd")


@pytest.mark.parametrize("name", ["out.dbn", "out.dbn.zst"])
@pytest.mark.parametrize("ts_out", [False, True])
def test_a_recording_is_read_by_the_official_client(tmp_path: Path, name: str, ts_out: bool) -> None:
    async def stamped(peer: Peer) -> None:
        await peer.begin()
        mappings = mapping_records(MAPPED, MAPPED, "raw_symbol", ts_event=1)
        tail = bytes(8) if ts_out else b""
        for record in [mappings[at : at + 176] for at in range(0, len(mappings), 176)]:
            await peer.send(longer(record, tail))
        for at in range(0, len(RECORDS), 56):
            await peer.send(longer(RECORDS[at : at + 56], tail))
        await peer.send(longer(END, tail))

    path = tmp_path / name
    with gateway_thread(stamped) as gateway:
        extra = ("--ts-out",) if ts_out else ()
        result = command("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, "-o", path, *extra)
    assert result.code == Exit.OK, result.err
    store = databento.DBNStore.from_bytes(path.read_bytes())
    assert (store.dataset, str(store.schema)) == (DATASET, "mbo")
    frame = store.to_df()
    assert frame["symbol"].tolist() == [f"A{n % 4}" for n in range(300)]
    assert bytes(read_dbn(path).data) == RECORDS
    assert not read_dbn(path).metadata.ts_out


def longer(record: bytes, tail: bytes) -> bytes:
    """A record with ts_out."""
    return bytes([record[0] + len(tail) // 4]) + record[1:] + tail


def test_symbols_and_days_that_come_later_are_in_the_recording_too(tmp_path: Path) -> None:
    async def later(peer: Peer) -> None:
        await peer.begin()
        await peer.send(mapping_records({1: "A1"}, {1: "A1"}, "raw_symbol", ts_event=1))
        await peer.send(add(1, "B", 1, 1, ts_event=DAY, ts_recv=DAY, instrument_id=1))
        await peer.send(mapping_records({2: "A2"}, {2: "A2"}, "raw_symbol", ts_event=1))
        await peer.send(add(2, "B", 1, 1, ts_event=3 * DAY, ts_recv=3 * DAY, instrument_id=2) + END)

    path = tmp_path / "out.dbn.zst"
    with gateway_thread(later) as gateway:
        assert command("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, "-o", path).code == Exit.OK
    assert databento.DBNStore.from_bytes(path.read_bytes()).to_df()["symbol"].tolist() == ["A1", "A2"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_recording_of_nothing_is_a_file_of_no_records(tmp_path: Path) -> None:
    async def nothing(peer: Peer) -> None:
        await peer.begin()
        await peer.send(END)

    path = tmp_path / "out.dbn"
    with gateway_thread(nothing) as gateway:
        assert command("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, "-o", path).code == Exit.OK
    assert len(read_dbn(path)) == 0


def test_books_are_written_as_json() -> None:
    with gateway_thread(mapped) as gateway:
        result = command("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, "--book", "--depth", "1")
    books = result.json["books"]
    assert [book["metadata"]["symbol"] for book in books] == ["A0", "A1", "A2", "A3"]
    assert [book["bids"] for book in books] == [[{"price": "0.0000001", "size": 75, "count": 75}]] * 4
    assert result.json["counters"]["records"] == 300


def test_books_after_a_lost_connection_begin_with_a_snapshot() -> None:
    async def half(peer: Peer) -> None:
        await peer.begin()
        await peer.send(RECORDS[:5600])

    with gateway_thread(half, to_the_end) as gateway:
        result = command("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, "--book")
        assert [peer.subscriptions[0].snapshot for peer in gateway.peers] == [False, True]
    assert "connection lost: the gateway closed the connection; again in" in result.err
    assert "records are missing between" in result.err
    assert "2 (1 reconnect, 0 silences)" in result.err
    assert all(book["status"]["suspect"] for book in result.json["books"])


def test_it_ends_after_so_many_records(tmp_path: Path) -> None:
    path = tmp_path / "out.dbn"
    with gateway_thread(endless) as gateway:
        result = command("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, "--records", "17", "-o", path)
    assert result.code == Exit.OK
    assert "17 records came" in result.err
    assert bytes(read_dbn(path).data) == RECORDS[: 17 * 56]


def test_it_ends_after_so_many_seconds() -> None:
    with gateway_thread(endless) as gateway:
        begin = time.monotonic()
        result = command("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, "--seconds", "0.3")
    assert result.code == Exit.OK
    assert "0.3 s are over" in result.err
    assert "300 (" in result.err
    assert 0.3 <= time.monotonic() - begin < 3


def test_an_interrupt_ends_it_in_an_orderly_way(tmp_path: Path) -> None:
    path = tmp_path / "out.dbn"
    with gateway_thread(endless) as gateway:
        process = spawn("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, "-o", path)
        while not list(tmp_path.glob(".out.dbn.*.part")):
            time.sleep(0.01)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        result = finish(process)
    assert result.code == Exit.OK, result.err
    assert "interrupted" in result.err
    assert bytes(read_dbn(path).data) == RECORDS


def test_two_interrupts_at_once_leave_nothing_half_written(tmp_path: Path) -> None:
    path = tmp_path / "out.dbn.zst"
    with gateway_thread(endless) as gateway:
        process = spawn("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, "-o", path)
        while not list(tmp_path.glob(".out.dbn.zst.*.part")):
            time.sleep(0.01)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)  # another than the first: two of a kind may be one
        result = finish(process)
    late = -signal.SIGTERM  # all was done by then
    assert result.code in (Exit.OK, Exit.INTERRUPTED, late), result.err
    assert "Traceback" not in result.err
    assert set(tmp_path.iterdir()) <= {path}
    if path.exists() or result.code != Exit.INTERRUPTED:
        assert bytes(read_dbn(path).data) == RECORDS


def test_the_second_interrupt_ends_it_at_once_and_while_finishing_where_it_can() -> None:
    asked: list[str] = []
    with Interrupts() as interrupts:
        interrupts.ask(lambda: asked.append("stop"))
        signal.raise_signal(signal.SIGINT)
        assert asked == ["stop"]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        interrupts.hold()
        interrupts.check()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("quiet", [False, True])
def test_a_replay_that_completed_is_no_warning(quiet: bool) -> None:
    async def script(peer: Peer) -> None:
        await peer.begin()
        done = control.system(control.SystemCode.REPLAY_COMPLETED, "Replay of mbo completed", ts_event=1)
        await peer.send(RECORDS + done + END)

    with gateway_thread(script) as gateway:
        arguments = ("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, "--start", "0")
        result = command(*arguments, *(["-q"] if quiet else []))
    assert result.code == Exit.OK
    assert "warning" not in result.err
    assert ("depthcast: the gateway says: Replay of mbo completed\n" in result.err) is not quiet


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("books", [False, True])
def test_a_table_of_books_is_drawn_only_where_there_are_books(
    books: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    engine = Engine() if books else None
    with Following(len, symbols={}, engine=engine, ts_out=False, most=None, quiet=False).display:
        pass
    assert "connecting" in terminal.getvalue()
    assert ("ask size" in terminal.getvalue()) is books


def test_an_unknown_symbol_is_told() -> None:
    async def script(peer: Peer) -> None:
        await peer.begin()
        await peer.send(control.error(4, "No symbol NOPE.", ts_event=1) + RECORDS + END)

    with gateway_thread(script) as gateway:
        result = command("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, "--symbols", "NOPE,A1")
    assert result.code == Exit.OK
    assert "warning: the gateway reports error 4: No symbol NOPE." in result.err


def test_the_key_is_taken_from_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    async def verify(peer: Peer) -> None:
        assert await peer.authenticate(await peer.greet())

    monkeypatch.setenv("DEPTHCAST_KEY", KEY)
    with gateway_thread(verify) as gateway:
        command("subscribe", f"127.0.0.1:{gateway.port}", "--dataset", DATASET, "--seconds", "1")


def test_tls_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    with gateway_thread(to_the_end, ssl_context=context) as gateway:
        arguments = ("subscribe", f"127.0.0.1:{gateway.port}", *OPTIONS, "--tls")
        refused = command(*arguments)
        monkeypatch.setenv("SSL_CERT_FILE", str(files.certificate))
        trusted = command(*arguments)
    assert refused.code == Exit.FILE
    assert "certificate verify failed" in refused.err
    assert trusted.code == Exit.OK, trusted.err


def test_latency_is_of_the_send_time_where_there_is_one() -> None:
    now = time.time_ns()
    latency = Latency(ts_out=True)
    latency.applied(memoryview(add(1, "B", 1, 1, ts_out=now - 5_000_000) * 100))
    assert latency.since == "ts_out"
    assert latency.ages.count == 100
    assert 5_000_000 <= latency.ages.percentile(0.5) < 1_000_000_000


def test_latency_is_of_the_receive_time_if_that_is_of_now() -> None:
    latency = Latency(ts_out=False)
    latency.applied(memoryview(add(1, "B", 1, 1, ts_recv=time.time_ns() - 1_000) * 10))
    assert latency.since == "ts_recv"
    of_the_past = Latency(ts_out=False)
    of_the_past.applied(memoryview(RECORDS))
    assert of_the_past.since is None
    assert of_the_past.ages.count == 0
