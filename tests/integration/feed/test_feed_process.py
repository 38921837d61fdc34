"""The feed as its users run it: real processes, real TCP, the official client, signals, restarts."""

import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import databento
import numpy as np
import pytest

from depthcast.book.derive import DeriverSet
from depthcast.book.engine import Engine
from depthcast.dbn import read_dbn
from depthcast.dbn.layout import MBO
from depthcast.errors import SettingsError
from depthcast.feed.listening import inherited_listeners
from tests.support.command import command
from tests.support.feed_process import KEY, FeedProcess, official
from tests.support.samples import records


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30,000 records of a simulated exchange."""
    path = tmp_path_factory.mktemp("sim") / "sim.dbn"
    assert command("simulate", "-o", path, "--records", 30_000, "-q").code == 0
    return path


def dataset_of(path: Path) -> str:
    return str(read_dbn(path).metadata.dataset)


def mbo(path: Path) -> bytes:
    """The MBO records of a file, one after the other, without ts_out."""
    return read_dbn(path).records().tobytes()


def segments(journal: Path) -> list[Path]:
    return sorted(journal.glob("journal/dataset=*/shard=*/date=*/*.dbn.zst"))


def journaled(journal: Path) -> bytes:
    """The journal's records, heads skipped, as the official reader has them."""
    found = command("journal", "cat", journal, "-o", journal / "cat.dbn", "-q")
    assert found.code == 0, found.err
    return read_dbn(journal / "cat.dbn").records().tobytes()


def test_the_official_client_receives_a_real_file_byte_for_byte(data_dir: Path, tmp_path: Path) -> None:
    path = data_dir / "CLX5_mbo.dbn"
    expected = records(path).tobytes()
    with FeedProcess(path, "--max", "--wait", 4, "--journal", "none") as feed:
        dataset = "GLBX.MDP3"
        plain = official(feed, tmp_path / "plain.dbn", dataset)
        stamped = official(feed, tmp_path / "stamped.dbn", dataset, ts_out=True)
        by_symbol = official(feed, tmp_path / "symbol.dbn", dataset, symbols=["CLX5"])
        trades = official(feed, tmp_path / "trades.dbn", dataset, schema="trades")
        assert plain.records() == expected
        assert stamped.records() == expected
        assert by_symbol.records() == expected
        assert trades.records("trades") == DeriverSet(["trades"]).apply(expected)["trades"]
        assert feed.wait() == 0


def test_a_start_is_replayed_from_the_journal_and_joined(simulated: Path, tmp_path: Path) -> None:
    expected = mbo(simulated)
    times = np.frombuffer(expected, MBO)["ts_event"]
    start = int(np.sort(times)[len(times) // 3])
    wanted = np.frombuffer(expected, MBO)
    wanted = wanted[wanted["ts_event"] >= start]
    with FeedProcess(simulated, "--rate", 15_000, "--wait", 1, "--linger", 1) as feed:
        first = official(feed, tmp_path / "first.dbn", dataset_of(simulated))
        feed.wait_for("running")
        time.sleep(1.2)
        everything = official(feed, tmp_path / "all.dbn", dataset_of(simulated), start=0)
        later = official(feed, tmp_path / "later.dbn", dataset_of(simulated), start=start)
        bars = official(feed, tmp_path / "bars.dbn", dataset_of(simulated), schema="ohlcv-1s", start=0)
        assert first.records() == expected
        assert everything.records() == expected
        assert later.records() == wanted.tobytes()
        deriver = DeriverSet(["ohlcv-1s"])
        closed = deriver.apply(expected)["ohlcv-1s"] + deriver.flush()["ohlcv-1s"]
        assert bars.records("ohlcv-1s") == closed
        assert feed.wait() == 0


def test_a_start_in_the_future_is_refused_and_says_so(simulated: Path) -> None:
    with FeedProcess(simulated, "--rate", 1_000) as feed:
        where = (f"127.0.0.1:{feed.port}", "--dataset", dataset_of(simulated), "--key", KEY)
        result = command("subscribe", *where, "--start", "2099-01-01T00:00:00Z")
        assert result.code == 2
        assert "start: 2099-01-01T00:00:00.000000000Z is in the future" in result.err
        assert feed.stop() == 0


def test_a_snapshot_in_mid_stream_and_what_follows_make_the_book(simulated: Path, tmp_path: Path) -> None:
    expected = Engine()
    expected.apply(mbo(simulated))
    with FeedProcess(simulated, "--rate", 15_000, "--wait", 1, "--journal", "none") as feed:
        official(feed, tmp_path / "first.dbn", dataset_of(simulated))
        feed.wait_for("running")
        time.sleep(0.7)
        joined = official(feed, tmp_path / "joined.dbn", dataset_of(simulated), snapshot=True)
        engine = Engine()
        engine.apply(joined.records())
        for publisher_id, instrument_id in expected.books():
            assert engine.checksum(instrument_id, 0, publisher_id) == expected.checksum(
                instrument_id, 0, publisher_id
            )
        assert read_dbn(tmp_path / "joined.dbn").counts[0xA0] > 0


@pytest.mark.long
def test_killed_again_and_again_the_journal_is_the_source(simulated: Path, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    for _ in range(3):
        with FeedProcess(simulated, "--rate", 15_000, "--journal", journal) as feed:
            feed.wait_for("running")
            time.sleep(0.4)
            feed.stop(signal.SIGKILL)
    with FeedProcess(simulated, "--max", "--linger", 0, "--journal", journal) as feed:
        assert feed.wait_for("recovered")["position"] > 0
        assert feed.wait() == 0
    assert len(segments(journal)) == 4
    assert journaled(journal) == mbo(simulated)
    verified = command("journal", "verify", journal, "-q")
    assert verified.code == 0, verified.err
    assert all(sum(1 for _ in databento.DBNStore.from_bytes(path.read_bytes())) for path in segments(journal))


def test_a_newer_writer_ends_the_older_one(simulated: Path, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with FeedProcess(simulated, "--rate", 1_000, "--journal", journal) as old:
        old.wait_for("running")
        with FeedProcess(simulated, "--rate", 1_000, "--journal", journal) as new:
            assert old.wait(20) != 0
            assert any("newer" in line or "epoch" in line for line in old.errors), old.errors
            new.wait_for("running")
            assert new.stop() == 0
    assert command("journal", "verify", journal, "-q").code == 0


def test_a_signal_ends_it_in_order_and_the_next_start_goes_on(simulated: Path, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with FeedProcess(simulated, "--rate", 15_000, "--journal", journal) as feed:
        feed.wait_for("running")
        time.sleep(0.3)
        assert feed.stop(signal.SIGINT) == 0
    with FeedProcess(simulated, "--max", "--linger", 0, "--journal", journal) as feed:
        assert feed.wait() == 0
    assert journaled(journal) == mbo(simulated)
    with FeedProcess(simulated, "--max", "--linger", 0, "--journal", journal) as feed:
        assert feed.wait() == 0
        assert feed.wait_for("nothing_new")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_official_client_comes_back_after_a_restart_behind_one_socket(
    number: signal.Signals, simulated: Path, tmp_path: Path
) -> None:
    """It tries once, at once: whoever restarts the feed keeps the listening socket meanwhile."""
    arguments = (simulated, "--rate", 10_000, "--journal", tmp_path / "journal")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with FeedProcess(*arguments, "--wait", 1, listener=listener) as feed:
            live = databento.Live(key=KEY, gateway="127.0.0.1", port=feed.port, reconnect_policy="reconnect")
            live.subscribe(dataset=dataset_of(simulated), schema="mbo", symbols="ALL_SYMBOLS")
            received: list[bytes] = []
            reconnected: list[object] = []
            live.add_callback(lambda record: received.append(bytes(record)))
            live.add_reconnect_callback(lambda *times: reconnected.append(times))
            live.start()
            feed.wait_for("running")
            time.sleep(0.5)
            feed.stop(number)
        with FeedProcess(*arguments, "--wait", 1, "--linger", 1, listener=listener) as feed:
            assert feed.wait_for("recovered")["position"] > 0
            live.block_for_close(timeout=60)
            assert feed.wait() == 0
    assert len(reconnected) == 1
    last = mbo(simulated)[-56:]
    assert last in received, "it has the feed's last record: it was there to the end"


def test_what_is_handed_over_must_be_a_listening_socket() -> None:
    assert inherited_listeners({"LISTEN_FDS": "1", "LISTEN_PID": "1"}, pid=2) == []
    with pytest.raises(SettingsError, match="LISTEN_FDS: descriptor"):
        inherited_listeners({"LISTEN_FDS": "1", "LISTEN_PID": "2"}, pid=2)


def test_the_admin_port_tells_health_and_metrics(simulated: Path) -> None:
    with FeedProcess(simulated, "--max", "--linger", 30, "--journal", "none") as feed:
        feed.wait_for("source_ended")
        base = f"http://127.0.0.1:{feed.admin_port}"

        def get(path: str) -> str:
            with urllib.request.urlopen(base + path, timeout=5) as answer:  # noqa: S310
                return str(answer.read().decode())

        assert '"ok": true' in get("/healthz")
        assert '"ok": true' in get("/readyz")
        total = len(read_dbn(simulated))
        assert f"depthcast_feed_records_total {float(total)}" in get("/metrics")
        with pytest.raises(urllib.error.HTTPError, match="404") as refused:
            get("/nothing")
        refused.value.close()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere.dbn"], 4, "nowhere.dbn"),
        (["sim://cme", "--rate", 5, "--max"], 2, "give one of them"),
        (["ftp://host/file"], 2, "no such kind of source"),
        (["sim://cme", "--key", "short"], 2, "32"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(arguments: list[object], code: int, said: str) -> None:
    with FeedProcess(*arguments, "--journal", "none", key=None) as feed:
        assert feed.wait() == code
        assert len(feed.errors) == 1
        assert said in feed.errors[0]
