"""Another gateway as a source: a real gateway, a line that breaks, restarts of the feed."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest

from depthcast.book.engine import Engine
from depthcast.book.types import BookKey
from depthcast.dbn import RType, forms
from depthcast.errors import ReplayError, SourceError, UsageError
from depthcast.exchange import Exchange, Style
from depthcast.feed.sources.base import Chunk
from depthcast.feed.sources.open import open_source
from depthcast.feed.sources.upstream import HIGH_BYTES, UpstreamSource
from depthcast.feed.sources.upstream_url import parse_upstream
from depthcast.live.feed_view import ReplayRequest
from tests.support.breaking_line import BreakingLine
from tests.support.gateways import run, serve, until
from tests.support.live_client import SECRET as KEY
from tests.support.recorded_feed import DATASET, RecordedFeed, RecordedReplay, cut
from tests.support.simulated import small_exchange

RECORDS = b"".join(Exchange(small_exchange(Style.CME, Style.NASDAQ)).run(records=12_000))
BATCHES = cut(RECORDS, records=40)


class Forgetful(RecordedFeed):
    """It has no past any more once it was told so."""

    forgot = False

    def replay(self, request: ReplayRequest) -> RecordedReplay:
        if self.forgot:
            raise ReplayError("start: older than what is kept")
        return super().replay(request)


def checksums(data: bytes) -> dict[BookKey, int]:
    """Of every book that these records make."""
    engine = Engine()
    engine.apply(data)
    return {book: engine.checksum(book.instrument_id, 0, book.publisher_id) for book in engine.books()}


class Follower:
    """Takes what an upstream source has, as a pacer does, and lets its feed go on while it waits."""

    def __init__(
        self,
        port: int,
        feed: RecordedFeed,
        options: str = "start=0",
        *,
        key: str = KEY,
        keep_bytes: int = 64 << 20,
    ) -> None:
        upstream = parse_upstream(f"live://127.0.0.1:{port}?dataset={DATASET}&{options}")
        self.source = UpstreamSource(upstream, key, keep_bytes=keep_bytes)
        self.feed = feed
        self.chunks: list[Chunk] = []
        self._news = asyncio.Event()

    def open(self, state: bytes | None = None, position: int = 0) -> None:
        self.source.open(asyncio.get_running_loop(), self._news.set, state, position)

    async def follow(self, records: int) -> None:
        """Until it has so many records, or it ended."""
        have = sum(chunk.count for chunk in self.chunks)
        while have < records and not self.source.ended:
            chunk = self.source.take()
            if chunk is not None:
                self.chunks.append(chunk)
                have += chunk.count
                continue
            self._news.clear()
            self.feed.publish(3)
            try:
                await asyncio.wait_for(self._news.wait(), 0.05)
            except TimeoutError:
                if not self.feed.left and self.feed.end_reason is None:
                    self.feed.end()

    @property
    def data(self) -> bytes:
        return b"".join(chunk.data for chunk in self.chunks)


def of(data: bytes, *rtypes: RType) -> bytes:
    return forms.form(data, rtypes=[int(rtype) for rtype in rtypes])


def assert_same(told: bytes, expected: bytes = RECORDS) -> None:
    """The same records; those of one type in the same order."""
    assert len(told) == len(expected)
    for rtype in (RType.MBO, RType.STATUS):
        assert of(told, rtype) == of(expected, rtype)


def positions(chunks: Iterable[Chunk]) -> list[tuple[int, int]]:
    return [(chunk.position, forms.count(chunk.data)) for chunk in chunks]


def test_everything_that_a_gateway_tells_is_told() -> None:
    async def main() -> None:
        feed = RecordedFeed(BATCHES)
        async with serve(feed) as served:
            feed.publish(50)
            follower = Follower(served.address[1], feed)
            follower.open()
            await follower.follow(len(RECORDS))
            assert follower.source.ended
            assert_same(follower.data)
            at = 0
            for position, count in positions(follower.chunks):
                assert position == at
                at += count
            assert all(chunk.due_ns > 0 for chunk in follower.chunks)
            assert follower.source.gaps == 0
            follower.source.close()

    run(main())


def test_a_line_that_breaks_again_and_again_loses_nothing() -> None:
    async def main() -> None:
        feed = RecordedFeed(BATCHES)
        async with serve(feed) as served:
            line = BreakingLine(served.address[1], 150_000, growth=150_000)
            try:
                follower = Follower(line.port, feed)
                follower.open()
                await follower.follow(len(RECORDS))
                follower.source.close()
            finally:
                await asyncio.to_thread(line.close)
            assert line.broken >= 3
            assert_same(follower.data)
            assert follower.source.gaps == 0

    run(main())


@pytest.mark.parametrize(
    ("back", "keep_bytes"), [(0, 64 << 20), (1, 64 << 20), (500, 64 << 20), (0, 30_000), (100, 30_000)]
)
def test_a_restarted_feed_goes_on_where_its_journal_ends(back: int, keep_bytes: int) -> None:
    """``back`` records after the state: what a journal that was cut off has beyond it."""

    async def main() -> None:
        feed = RecordedFeed(BATCHES)
        told = b""
        async with serve(feed) as served:
            state, begin = None, 0
            for stop in (900, 2_500, 2_501, 6_000, len(RECORDS)):
                follower = Follower(served.address[1], feed, keep_bytes=keep_bytes)
                follower.open(state, begin)
                if state is not None:
                    known = max(begin - back, 0)
                    cut_at = forms.prefix(told, known)
                    follower.source.recovered(told[:cut_at], 0)
                    follower.source.recovered(told[cut_at:], known)
                await follower.follow(stop - begin)
                told += follower.data
                begin = forms.count(told)
                if begin - back > 0:
                    state = follower.source.state(begin - back)
                follower.source.close()
                assert follower.source.gaps == 0
        assert_same(told)

    run(main())


def test_a_restarted_feed_whose_gateway_forgot_begins_books_anew() -> None:
    async def main() -> None:
        feed = Forgetful(BATCHES)
        async with serve(feed) as served:
            feed.publish(60)
            follower = Follower(served.address[1], feed)
            follower.open()
            await follower.follow(2_000)
            follower.source.close()
            first = follower.data
            position = forms.count(first)
            state = follower.source.state(position)
            feed.forgot = True
            again = Follower(served.address[1], feed)
            again.open(state, position)
            await again.follow(len(RECORDS))
            again.source.close()
            assert again.source.gaps == 1
            assert again.chunks[0].position == position
            assert checksums(first + again.data) == checksums(RECORDS)

    run(main())


def test_by_snapshots_books_are_whole_from_the_middle_on() -> None:
    async def main() -> None:
        feed = RecordedFeed(BATCHES)
        async with serve(feed) as served:
            feed.publish(60)
            follower = Follower(served.address[1], feed, "snapshot=1")
            follower.open()
            await follower.follow(len(RECORDS))
            follower.source.close()
            assert checksums(follower.data) == checksums(RECORDS)

    run(main())


def test_a_feed_without_room_holds_the_gateway_up() -> None:
    async def main() -> None:
        feed = RecordedFeed([RECORDS] * 40)
        async with serve(feed) as served:
            feed.publish(40)
            follower = Follower(served.address[1], feed)
            follower.open()
            await until(lambda: follower.source._paused)
            await asyncio.sleep(0.2)
            assert HIGH_BYTES < follower.source._held < HIGH_BYTES + (2 << 20)
            await follower.follow(40 * forms.count(RECORDS))
            assert_same(follower.data, RECORDS * 40)
            follower.source.close()

    run(main())


def test_symbols_are_learnt_from_the_gateway() -> None:
    async def main() -> None:
        feed = RecordedFeed(BATCHES)
        feed.symbology.add(11, "FUT")
        feed.symbology.add(12, "SPREAD")
        async with serve(feed) as served:
            follower = Follower(served.address[1], feed, "start=0&symbols=SPREAD&schemas=mbo")
            follower.open()
            await follower.follow(len(RECORDS))
            follower.source.close()
            ids = forms.IdSet([12])
            assert follower.data == forms.form(RECORDS, instrument_ids=ids, rtypes=[RType.MBO])
            assert follower.source.symbology.symbol(12) == "SPREAD"

    run(main())


def test_a_key_that_is_refused_ends_the_source() -> None:
    async def main() -> None:
        feed = RecordedFeed(BATCHES)
        async with serve(feed) as served:
            follower = Follower(served.address[1], feed, key="db-" + "x" * 29)
            follower.open()
            with pytest.raises(SourceError, match=r"live://127.*uthenticat"):
                await follower.follow(1)
            assert follower.source.ended

    run(main())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("live://host:1", "say which dataset"),
        ("live://host:1?dataset=X&symbol=A", "did you mean symbols"),
        ("live://host:99999?dataset=X", "expected a port"),
        ("live://host:1?dataset=X&schemas=mbo,trades", "schemas: expected some of mbo, .* got trades"),
        ("live://host:1?dataset=X&snapshot=yes", "snapshot: expected 0 or 1"),
        ("live://host:1?dataset=X&snapshot=1&start=0", "start does not go with it"),
        ("live://key@host:1?dataset=X", "key does not belong"),
        ("databento://?symbols=A", "say which dataset"),
        ("databento://GLBX.MDP3?dataset=X", "say which dataset"),
    ],
)
def test_what_cannot_be_asked_is_refused(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_source(spec, key=KEY)


def test_databentos_gateway_is_found_by_its_dataset() -> None:
    upstream = parse_upstream("databento://GLBX.MDP3?symbols=ES.FUT,CL.FUT&stype_in=parent&start=2026-01-05")
    assert str(upstream.address) == "glbx-mdp3.lsg.databento.com:13000"
    assert (upstream.dataset, upstream.symbols, upstream.stype_in) == (
        "GLBX.MDP3",
        ("ES.FUT", "CL.FUT"),
        "parent",
    )
    assert upstream.start == 1_767_571_200_000_000_000
    assert upstream.schemas == ("mbo", "definition", "status")


def test_without_a_key_it_says_where_to_put_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DATABENTO_API_KEY", raising=False)
    with pytest.raises(UsageError, match="set DATABENTO_API_KEY"):
        open_source("databento://GLBX.MDP3")
