"""The feed amid trouble: a log nobody reads, a slow admin client, a kill inside an interval."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from depthcast.book.derive import DeriverSet
from depthcast.dbn import forms, read_dbn
from tests.support.command import PROGRAM, command
from tests.support.feed_process import KEY, FeedProcess, official
from tests.support.samples import records

BARS = ["ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "ohlcv-1d"]


def test_bars_after_a_kill_are_whole_or_not_there(data_dir: Path, tmp_path: Path) -> None:
    path = data_dir / "CLX5_mbo.dbn"
    journal = ("--journal", tmp_path / "journal", "--set", "journal.segment_bytes=500000")
    with FeedProcess(path, "--rate", 20_000, *journal) as feed:
        feed.wait_for("running")
        time.sleep(1)
        feed.stop(signal.SIGKILL)
    deriver = DeriverSet(BARS)
    data = records(path).tobytes()
    whole, last = deriver.apply(data), deriver.flush()
    with FeedProcess(path, "--max", "--wait", len(BARS), *journal) as feed:
        heard = {
            schema: official(feed, tmp_path / f"{schema}.dbn", "GLBX.MDP3", schema=schema) for schema in BARS
        }
        assert feed.wait_for("recovered")["position"] > 0
        for schema, client in heard.items():
            received = client.records(schema)
            expected = whole[schema] + last[schema]
            assert received, schema
            assert expected.endswith(received), schema


def test_bars_that_cannot_be_whole_are_left_out() -> None:
    from depthcast.book.engine import Engine
    from depthcast.dbn.layout import OHLCV
    from depthcast.exchange import Exchange, Style
    from depthcast.feed.books import Books
    from tests.support.simulated import small_exchange

    data = b"".join(Exchange(small_exchange(Style.CME, seed=3)).run(3_000))
    deriver = DeriverSet(["ohlcv-1s"])
    every = deriver.apply(data)["ohlcv-1s"] + deriver.flush()["ohlcv-1s"]
    cut = forms.prefix(data, forms.count(data) // 2)
    books = Books(Engine())
    books.deriver.wanted = ("ohlcv-1s",)
    books.bars_from = forms.last_ts_recv(data[:cut]) + 1
    found = books.apply(data[cut:])["ohlcv-1s"] + books.advance(2**64 - 1)["ohlcv-1s"]
    whole = forms.since(every, books.bars_from)
    assert found == whole
    assert len(every) % OHLCV.itemsize == 0


@pytest.mark.parametrize("ended", [True, False], ids=["after the source's end", "with the ring full"])
def test_a_signal_while_the_journal_cannot_be_written_says_what_is_missing(
    ended: bool, tmp_path: Path
) -> None:
    path, journal = tmp_path / "sim.dbn", ("--journal", tmp_path / "journal")
    assert command("simulate", "-o", path, "--records", 30_000, "-q").code == 0
    ring = () if ended else ("--set", "feed.ring_bytes=1048576")
    with FeedProcess(
        path, "--rate", 60_000, *journal, *ring, "--set", "journal.close_s=1.5", file_bytes=300_000
    ) as feed:
        feed.wait_for("journal_not_written")
        time.sleep(0.7)
        begun = time.monotonic()
        assert feed.stop() == 3
        assert 1.5 <= time.monotonic() - begun < 10
        (said,) = feed.errors
        missing = int(said.split()[2].replace(",", ""))
        assert said.endswith("records at the feed's end could not be written to the journal\n")
        last = feed.log[-1]
        assert (last["event"], last["cause"]) == (
            "journal_not_closed",
            feed.wait_for("journal_not_written")["error"],
        )
        assert "file too large" in last["cause"]
    with FeedProcess(path, "--max", "--linger", 0, *journal) as feed:
        position = feed.wait_for("recovered")["position"]
        assert position > 0
        assert position + missing == 30_000 or not ended
        assert feed.wait() == 0
    assert command("journal", "cat", tmp_path / "journal", "-o", tmp_path / "cat.dbn", "-q").code == 0
    assert read_dbn(tmp_path / "cat.dbn").records().tobytes() == read_dbn(path).records().tobytes()


def test_a_log_that_nobody_reads_stops_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    reader, writer = os.pipe()
    arguments = ["feed", "sim://cme", "--listen", f"127.0.0.1:{port}", "--admin", "none", "--key", KEY]
    process = subprocess.Popen([*PROGRAM, *arguments, "--journal", "none"], stderr=writer)
    try:
        os.close(writer)
        assert b"listening" in os.read(reader, 1 << 16)
        os.close(reader)
        count = [*PROGRAM, "subscribe", f"127.0.0.1:{port}", "--dataset", "XSIM.MBO", "--key", KEY]
        heard = subprocess.run([*count, "--records", "100"], capture_output=True, timeout=30, check=False)
        assert heard.returncode == 0, heard.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


def test_a_slow_client_of_the_admin_port_holds_up_nobody() -> None:
    with FeedProcess("sim://cme", "--journal", "none") as feed:
        slow = [socket.create_connection(("127.0.0.1", feed.admin_port)) for _ in range(3)]
        for each in slow:
            each.sendall(b"GET /hea")
        address = f"http://127.0.0.1:{feed.admin_port}/healthz"
        with urllib.request.urlopen(address, timeout=3) as answer:
            assert answer.status == 200
        begun = time.monotonic()
        assert feed.stop() == 0
        assert time.monotonic() - begun < 5
        for each in slow:
            each.close()
