"""Books at a time and replays of a feed that is cut into any segments and epochs, asked in any order."""

import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from depthcast.api.hub.encoded import Encoded
from depthcast.api.replay.faces import Shown
from depthcast.api.replay.player import Player, started
from depthcast.book.engine import Engine
from depthcast.journal.past import Past
from tests.support.journals import DATASET, Recording, pieces, simulated_feed
from tests.support.past import SourceTimes, view_of
from tests.support.replayed import Source
from tests.support.stream_reader import Reader

RECORDS: Final = 2_500
SYMBOLS: Final = {11: "11", 12: "12"}


@cache
def source() -> Source:
    return Source(simulated_feed(RECORDS))


@cache
def times() -> SourceTimes:
    return SourceTimes(source().data)


def recorded(folder: Path, sizes: list[int], lives: int) -> Past:
    """The feed in segments of so many records each, wherever that cuts events, in so many epochs."""
    parts = list(pieces(source().data, sizes))
    share = -(-len(parts) // lives)
    for life in range(lives):
        recording = Recording(folder, segment_s=3600.0)
        for part in parts[life * share : (life + 1) * share]:
            recording.rotate()
            recording.put(part)
        recording.writer.close()
    return Past(str(folder), cache_bytes=1 << 18, threads=2)


journals = st.tuples(st.lists(st.integers(1, 900), min_size=1, max_size=6), st.integers(1, 3))
shares = st.floats(0, 1, exclude_max=True)


def moment(share: float) -> int:
    """A time in the feed."""
    found = times().times(200, seed=3)
    return found[int(share * len(found))]


@settings(max_examples=12)
@given(journals, st.lists(shares, min_size=1, max_size=25))
def test_any_time_of_any_journal(journal: tuple[list[int], int], asked: list[float]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        past = recorded(Path(folder), *journal)
        for at in map(moment, asked):
            size, records = times()(at)
            engine = Engine()
            engine.apply(source().data[:size])
            for key in engine.books():
                found = past.book(str(key.instrument_id), at)
                assert found.position == records
                ours, theirs = (view_of(each, key, None) for each in (found.engine, engine))
                assert (ours.bids, ours.asks, ours.checksum) == (theirs.bids, theirs.asks, theirs.checksum)
                assert ours.status.in_event == theirs.status.in_event
                good = [each.status.complete and not each.status.suspect for each in (ours, theirs)]
                assert good[0] == good[1]
        past.close()


@settings(max_examples=8)
@given(journals, shares, st.booleans())
def test_any_replay_of_any_journal(journal: tuple[list[int], int], share: float, both: bool) -> None:
    """From any time on, what a reader rebuilds of the messages has the source's checksum at each event."""
    wanted = SYMBOLS if both else {12: "12"}
    begin = moment(share)
    with tempfile.TemporaryDirectory() as folder:
        past = recorded(Path(folder), *journal)
        reader = past.find("12", begin)[0].reader
        start = started(past, reader, past.cut(reader, begin), wanted, ts_recv=begin, end=None, orders=True)
        shown = Shown("replay:1", ["book", "orders"], 10, None, DATASET)
        player = Player(start, wanted, shown, None, set(), time.time_ns)
        assert start.position == times()(begin)[1]
        events = {each.position: each for each in source().of(*wanted, after=start.position)}
        told = play(player)
        past.close()
    page = Reader()
    seen = set()
    for encoded in told:
        message = page.text(encoded.payload)
        event = events.get(message.get("seq", -1))
        if event is None or message["type"] == "subscribed" or ":0:0" not in message["class"]:
            continue
        if message["type"] in ("order", "snapshot"):
            seen.add(event.position)
            assert message["checksum"] == event.queues
    assert seen == set(events)


def play(player: Player) -> list[Encoded]:
    told = player.begin()
    while (stretch := player.tape.read()) is not None:
        told += player.load(stretch)
        while player.next is not None:
            told += player.play(0.0)
    return told
