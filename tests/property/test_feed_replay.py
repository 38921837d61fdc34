"""Replay joined to live: from whatever time, with whatever segments and ring, exactly the feed's records."""

import asyncio
import random
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthcast.book.derive import SCHEMAS, DeriverSet
from depthcast.book.engine import Engine
from depthcast.dbn import forms, make_metadata
from depthcast.dbn.layout import RType
from depthcast.errors import ReplayError, SessionError
from depthcast.exchange import Exchange, Style
from depthcast.feed.books import Books, BookThread
from depthcast.feed.recorder import JournalThread
from depthcast.feed.ring import Ring
from depthcast.feed.view import LiveFeed
from depthcast.journal.policy import JournalPolicy
from depthcast.journal.writer import JournalWriter
from depthcast.live.control import ErrorCode
from depthcast.live.feed_view import ReplayRequest
from depthcast.live.symbology import Symbology
from tests.support.recorded_feed import cut
from tests.support.simulated import small_exchange

RECORDS = b"".join(Exchange(small_exchange(Style.CME, seed=9)).run(4_000))
DATASET = "TEST.SIM"


class Feed:
    """Ring, books, journal and view, without source and gateway."""

    def __init__(self, folder: Path, *, ring_bytes: int, segment_bytes: int) -> None:
        self.failures: list[BaseException] = []
        policy = JournalPolicy(segment_bytes=segment_bytes, sync_s=0.05)
        self.writer = JournalWriter.open(folder, "", DATASET, "0", policy)
        position = self.writer.position
        self.ring = Ring(ring_bytes, position=position)
        self.books = BookThread(
            self.ring,
            Books(Engine()),
            on_progress=lambda: None,
            on_failure=self.failures.append,
        )
        metadata = make_metadata(DATASET, None, 1)
        self.writer.begin(position, metadata, b"", b"")
        self.journal = JournalThread(
            self.ring,
            self.books,
            self.writer,
            metadata=lambda: metadata,
            source_state=lambda _: b"",
            on_failure=self.failures.append,
        )
        self.view = LiveFeed(DATASET, Symbology(), self.ring, self.books, self.writer.reader)
        self.books.start()
        self.journal.start()

    def append(self, data: bytes) -> None:
        deadline = time.monotonic() + 10
        while not self.ring.room(len(data)):
            assert time.monotonic() < deadline
            time.sleep(0.0005)
        self.ring.append(data, forms.count(data), 0)

    def close(self) -> None:
        assert self.journal.stop(20)
        self.books.stop()
        self.view.close()
        assert self.failures == []


async def joined(feed: Feed, request: ReplayRequest, live_pause: threading.Event) -> tuple[bytes, int]:
    """All that a replay gives, and the index at which it joins."""
    replay = feed.view.replay(request)
    given = bytearray()
    try:
        while (piece := await replay.read()) is not None:
            given += piece
            live_pause.set()
        return bytes(given), replay.index
    finally:
        replay.close()


def go_on(feed: Feed, batches: list[bytes], going_on: threading.Event) -> None:
    """The feed goes on once the replay has given something, or a little later."""
    going_on.wait(0.05)
    for batch in batches:
        feed.append(batch)


@given(seed=st.integers(0, 2**32), size=st.integers(5, 300), ring_kb=st.integers(8, 300))
@settings(max_examples=12)
def test_a_replay_and_what_follows_it_live_are_the_records_from_its_start(
    seed: int, size: int, ring_kb: int
) -> None:
    draw = random.Random(seed)
    batches = cut(RECORDS, records=size)
    schema = draw.choice(["mbo", "mbo", "mbo", "mbp-1", "trades", "ohlcv-1s"])
    ids = draw.choice([None, frozenset({11}), frozenset({12, 99})])
    asked_at = draw.randrange(len(batches))
    start = draw.choice([0, draw.randrange(forms.first_ts_recv(RECORDS), forms.last_ts_recv(RECORDS))])
    with tempfile.TemporaryDirectory() as folder:
        feed = Feed(Path(folder), ring_bytes=ring_kb << 10, segment_bytes=draw.choice([20_000, 100_000]))
        if schema != "mbo":
            feed.books.want(frozenset({schema})).result(10)
        for batch in batches[:asked_at]:
            feed.append(batch)
        going_on = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            rest = pool.submit(go_on, feed, batches[asked_at:], going_on)
            given_out, index = asyncio.run(joined(feed, ReplayRequest(schema, ids, start), going_on))
            rest.result(30)
        feed.close()
    before = batches[:index]
    kept = None if ids is None else forms.IdSet(ids)
    if schema == "mbo":
        all_before = forms.form(b"".join(before), rtypes={int(RType.MBO)}, instrument_ids=kept)
    else:
        deriver = DeriverSet([schema])
        all_before = forms.form(b"".join(deriver.apply(b)[schema] for b in before), instrument_ids=kept)
    assert given_out == forms.since(all_before, start)


def test_a_start_before_what_is_kept_is_refused(tmp_path: Path) -> None:
    feed = Feed(tmp_path, ring_bytes=20_000, segment_bytes=20_000)
    for batch in cut(RECORDS, records=50):
        feed.append(batch)
    assert feed.journal.stop(20)
    folder = next(tmp_path.glob("journal/dataset=*/shard=*/"))
    first = min(folder.glob("date=*/*.index.json"))
    first.unlink()
    Path(str(first).replace(".index.json", ".dbn.zst")).unlink()
    later = forms.first_ts_recv(RECORDS) + 1
    with pytest.raises(ReplayError, match="everything after"):
        asyncio.run(joined(feed, ReplayRequest("mbo", None, later), threading.Event()))
    feed.close()


NOW = time.time_ns()
HOUR = 3_600_000_000_000


@pytest.mark.parametrize("schema", ["mbo", "trades"])
@pytest.mark.parametrize("before", [0, 2_000])
def test_a_start_in_the_future_is_refused(before: int, schema: str, tmp_path: Path) -> None:
    feed = Feed(tmp_path, ring_bytes=1 << 20, segment_bytes=30_000)
    feed.append(RECORDS[: forms.prefix(RECORDS, before)])
    feed.books.want(frozenset({"trades"})).result(10)
    soon, late = (ReplayRequest(schema, None, NOW + ahead) for ahead in (30_000_000_000, HOUR))
    assert asyncio.run(joined(feed, soon, threading.Event()))[0] == b""  # clocks differ
    with pytest.raises(SessionError, match=r"start: .* is in the future") as refused:
        asyncio.run(joined(feed, late, threading.Event()))
    assert refused.value.code == ErrorCode.INVALID_SUBSCRIPTION
    feed.close()


def test_of_a_feed_that_is_ahead_of_the_clock_the_future_can_be_asked_for(tmp_path: Path) -> None:
    ahead = forms.shifted(RECORDS, NOW - forms.first_ts_recv(RECORDS) + 24 * HOUR, 0)
    begun, rest = cut(ahead, records=3_000)
    start = forms.last_ts_recv(begun) - 1_000_000
    feed = Feed(tmp_path, ring_bytes=1 << 20, segment_bytes=30_000)
    feed.append(begun)
    asked = ReplayRequest("mbo", None, start)
    given_out, _ = asyncio.run(joined(feed, asked, threading.Event()))
    wanted = forms.since(forms.form(begun, rtypes={int(RType.MBO)}), start)
    assert given_out == wanted
    feed.close()
    again = Feed(tmp_path, ring_bytes=1 << 20, segment_bytes=30_000)  # its ring is empty
    given_out, _ = asyncio.run(joined(again, asked, threading.Event()))
    assert given_out == wanted
    beyond = ReplayRequest("mbo", None, forms.last_ts_recv(rest))  # of a subscriber that has seen more
    assert asyncio.run(joined(again, beyond, threading.Event()))[0] == b""
    again.close()


def test_every_schema_can_be_replayed(tmp_path: Path) -> None:
    feed = Feed(tmp_path, ring_bytes=1 << 20, segment_bytes=30_000)
    feed.books.want(frozenset(SCHEMAS)).result(10)
    for batch in cut(RECORDS, records=70):
        feed.append(batch)
    deriver = DeriverSet(SCHEMAS)
    expected = deriver.apply(RECORDS)
    for schema in SCHEMAS:
        given_out, _ = asyncio.run(joined(feed, ReplayRequest(schema, None, 0), threading.Event()))
        assert given_out == expected[schema][: len(given_out)]
        assert len(given_out) <= len(expected[schema])
    feed.close()
