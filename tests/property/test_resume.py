"""Resuming is exact: whatever the cuts, each record of each schema and instrument comes once, in order."""

import struct
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from depthcast.dbn.layout import LENGTH_WORD, RType
from depthcast.dbn.received import Marks
from depthcast.live.control import ErrorCode
from depthcast.live.events import Gap, Resumed
from depthcast.live.requests import SubscriptionRequest
from depthcast.live.resume import Resumption
from tests.support.records import LAST, SNAPSHOT, add, mbo
from tests.support.simulated import records_of

RTYPES: Final = {"mbo": RType.MBO, "ohlcv-1s": RType.OHLCV_1S}
SECOND: Final = 1_000_000_000


def bar(instrument_id: int, ts_event: int, number: int) -> bytes:
    return struct.pack("<BBHIQqqqqQ", 14, RType.OHLCV_1S, 1, instrument_id, ts_event, 1, 1, 1, 1, number)


def instrument_of(record: bytes) -> int:
    return int.from_bytes(record[4:8], "little")


def replay_time(record: bytes) -> int:
    """What a gateway compares with the start: ts_event, of snapshot records ts_recv."""
    if record[1] == RType.MBO and record[36] & SNAPSHOT:
        return int.from_bytes(record[40:48], "little")
    return int.from_bytes(record[8:16], "little")


def by_stream(records: Sequence[bytes]) -> dict[tuple[int, int], list[bytes]]:
    streams = defaultdict(list)
    for record in records:
        streams[record[1], instrument_of(record)].append(record)
    return dict(streams)


def wanted(record: bytes, lines: Sequence[SubscriptionRequest], *, live: bool) -> bool:
    """Whether a gateway sends a record to a session of these lines: as replay, or live."""
    for line in lines:
        if RTYPES[line.schema] != record[1]:
            continue
        if not line.all_symbols and str(instrument_of(record)) not in line.symbols:
            continue
        if live or (line.start is not None and replay_time(record) >= line.start):
            return True
    return False


class Outcome(NamedTuple):
    records: list[bytes]
    events: list[Resumed | Gap]


def follow(
    feed: Sequence[bytes],
    sessions: Sequence[tuple[int, int, int]],
    subscriptions: Sequence[SubscriptionRequest],
    *,
    refuse: int = -1,
) -> Outcome:
    """A subscriber's memory through sessions, each given as (join, end, chunk).

    A session joins the feed at a place, gets what it asked from before (its replay), then what follows up
    to its end, in chunks of so many records. The ``refuse``-th session is refused its replay.
    """
    resumption = Resumption("start")
    got: list[bytes] = []
    events: list[Resumed | Gap] = []
    streamed_before = False
    for number, (join, end, chunk) in enumerate(sessions):
        lines = resumption.requests(subscriptions, first=not streamed_before)
        code = None
        if number == refuse:
            code = int(ErrorCode.REPLAY_DATA_AGED_OUT)
            sent: list[bytes] = []
        else:
            replay = [record for record in feed[:join] if wanted(record, lines, live=False)]
            sent = replay + [record for record in feed[join:end] if wanted(record, lines, live=True)]
            streamed_before = True
        for at in range(0, len(sent), chunk):
            records = memoryview(b"".join(sent[at : at + chunk]))
            if resumption.in_gap:
                events.append(resumption.gap_to(records))
            if resumption.catching_up:
                got += records_of(resumption.unseen(records))
                events += resumption.caught_up()
            else:
                got += records_of(bytes(records))
                resumption.see(records)
        resumption.lost(streamed=code is None, last_time=7, code=code, reason="cut")
    return Outcome(got, events)


@st.composite
def feeds(draw: st.DrawFn) -> list[bytes]:
    """A feed in order of time, with many records at one time, of a few instruments and two schemas."""
    steps = draw(
        st.lists(st.tuples(st.sampled_from([0, 0, 0, 1, 2, SECOND]), st.integers(0, 3)), max_size=60)
    )
    now, feed, bars = 1_000 * SECOND, [], 0
    for number, (pause, instrument_id) in enumerate(steps):
        before = now
        now += pause
        if pause == SECOND:
            bars += 1
            feed.append(bar(instrument_id, before, bars))
        ts_event, flags = (now, LAST) if number % 7 else (5, LAST | SNAPSHOT)  # a snapshot's orders are old
        at = {"ts_event": ts_event, "ts_recv": now, "instrument_id": instrument_id}
        feed.append(add(number + 1, "B", 1, 1, flags, **at))
    return feed


@st.composite
def cut_sessions(draw: st.DrawFn, length: int) -> list[tuple[int, int, int]]:
    """Sessions that each join where the feed has got to (never before the last end), and end somewhere."""
    cuts = sorted(draw(st.lists(st.integers(0, length), min_size=1, max_size=12)))
    cuts = [0, *cuts, length, length]
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    return [(join, end, draw(st.integers(1, 7))) for join, end in pairs] + [(length, length, 3)]


@given(st.data())
def test_a_session_of_all_symbols_resumed_at_any_points_loses_and_repeats_nothing(
    data: st.DataObject,
) -> None:
    feed = data.draw(feeds())
    sessions = data.draw(cut_sessions(len(feed)))
    subscriptions = [
        SubscriptionRequest("mbo", ("ALL_SYMBOLS",)),
        SubscriptionRequest("ohlcv-1s", ("ALL_SYMBOLS",)),
    ]
    outcome = follow(feed, sessions, subscriptions)
    first_seen = next((n for n, (join, end, _) in enumerate(sessions) if end > join), None)
    begun = [] if first_seen is None else feed[sessions[first_seen][0] :]
    got = by_stream(outcome.records)
    for key, expected in by_stream(begun).items():
        assert got[key][-len(expected) :] == expected
    # Nothing else comes but what bears the first one's time (or is of its bar), and was not seen before.
    for key, extra in ((key, set(records) - set(begun)) for key, records in got.items()):
        bar_ns = SECOND if key[0] == RType.OHLCV_1S else 0
        assert all(replay_time(record) <= replay_time(begun[0]) + bar_ns for record in extra)
    assert len(set(outcome.records)) == len(outcome.records)
    # Sessions that ended before they brought anything leave nothing to resume from: that is told.
    resumed = [event for event in outcome.events if not isinstance(event, Gap)]
    assert all(event.mismatched == 0 for event in resumed)
    gaps = [Gap(7, replay_time(begun[0]), "cut")] if first_seen else []
    assert [event for event in outcome.events if isinstance(event, Gap)] == gaps


@given(st.data())
def test_records_late_within_the_period_are_not_lost(data: st.DataObject) -> None:
    """Times go back and forth between instruments and within them, by less than the checkpoints' period."""
    lateness = data.draw(st.lists(st.integers(0, SECOND), min_size=1, max_size=80))
    base = 10 * SECOND
    feed = [
        add(n + 1, "B", 1, 1, ts_event=base + n * 7 - late, ts_recv=base + n, instrument_id=late % 3)
        for n, late in enumerate(lateness)
    ]
    sessions = data.draw(cut_sessions(len(feed)))
    sessions[0] = (0, *sessions[0][1:])
    everything = [SubscriptionRequest("mbo", ("ALL_SYMBOLS",), start=0)]
    outcome = follow(feed, sessions, everything)
    assert by_stream(outcome.records) == by_stream(feed)


@given(st.data())
def test_a_refused_replay_is_a_gap_and_what_follows_is_exact_again(data: st.DataObject) -> None:
    feed = [add(n + 1, "B", 1, 1, ts_event=100 + n // 3, ts_recv=100 + n // 3) for n in range(60)]
    first = data.draw(st.integers(1, 20))
    again = data.draw(st.integers(first, 40))
    then = data.draw(st.integers(again + 3, 50))
    sessions = [(0, first, 2), (first, first, 1), (again, then, 3), (then, 60, 4), (60, 60, 1)]
    outcome = follow(feed, sessions, [SubscriptionRequest("mbo", ("ALL_SYMBOLS",))], refuse=1)
    gaps = [event for event in outcome.events if isinstance(event, Gap)]
    assert [(gap.start, gap.end) for gap in gaps] == [(7, replay_time(feed[again]))]
    assert "no replay" in gaps[0].reason
    kept = feed[:first] + feed[again:]
    lost = [record for record in kept if record not in set(outcome.records)]
    assert lost == []
    assert len(set(outcome.records)) == len(outcome.records)


@given(cut=st.integers(1, 29), join=st.integers(0, 29))
def test_a_replay_that_is_not_what_was_seen_is_told(cut: int, join: int) -> None:
    feed = [add(n + 1, "B", 1, 1, ts_event=100 + n, ts_recv=100 + n) for n in range(30)]
    subscriptions = [SubscriptionRequest("mbo", ("ALL_SYMBOLS",))]
    resumption = Resumption("start")
    resumption.requests(subscriptions, first=True)
    resumption.see(memoryview(b"".join(feed[:cut])))
    resumption.lost(streamed=True, last_time=100, code=None, reason="cut")
    resumption.requests(subscriptions, first=False)
    missing = feed[min(join, cut - 1)]
    replay = [record for record in feed[:cut] if record != missing]
    resumption.unseen(memoryview(b"".join(replay)))
    events = [*resumption.caught_up(), *resumption.completed()]
    if resumption.catching_up:  # what is missing may be sent again as new: until something much later comes
        later = add(99, "B", 1, 1, ts_event=10**10, ts_recv=10**10)
        assert resumption.unseen(memoryview(later)) == later
        events += resumption.caught_up()
    assert [type(event) for event in events] == [Gap, Resumed]
    assert not resumption.catching_up


@given(cut=st.integers(2, 30), kept=st.integers(0, 29), size=st.integers(1, 7))
def test_what_a_killed_gateway_sends_again_as_new_is_dropped(cut: int, kept: int, size: int) -> None:
    """Its journal ended ``kept`` records in; what we had seen beyond that comes again after the replay."""
    feed = [
        add(n + 1, "B", 1, 1, ts_event=100 + n // 2, ts_recv=100 + n // 2, instrument_id=1 + n % 3)
        for n in range(60)
    ]
    resumption = Resumption("start")
    subscriptions = [SubscriptionRequest("mbo", ("ALL_SYMBOLS",), start=0)]
    resumption.requests(subscriptions, first=True)
    resumption.see(memoryview(b"".join(feed[:cut])))
    resumption.lost(streamed=True, last_time=100, code=None, reason="killed")
    resumption.requests(subscriptions, first=False)
    kept = min(kept, cut - 1)
    handed_on = resumption.unseen(memoryview(b"".join(feed[:kept])))
    events = [*resumption.caught_up(), *resumption.completed()]
    for begin in range(kept, len(feed), size):
        records = memoryview(b"".join(feed[begin : begin + size]))
        if resumption.catching_up:
            handed_on += resumption.unseen(records)
            events += resumption.caught_up()
        else:
            handed_on += records
    assert handed_on == b"".join(feed[cut:])
    assert [type(event) for event in events] == [Resumed]


def test_marks_forget_what_lies_far_behind() -> None:
    """However long the feed, a replay begins at most a few checkpoints back."""
    marks = Marks(1_000)
    for begin in range(0, 400_000, 10_000):
        marks.see(
            b"".join(mbo("A", "B", 1, 1, n, ts_event=n, ts_recv=n) for n in range(begin, begin + 10_000))
        )
    start = marks.start(RType.MBO)
    assert start is not None
    assert 300_000 < start <= 400_000
    assert marks.replay({RType.MBO}) == 400_000 - start
    assert len(marks) == 1


def test_marks_know_many_instruments() -> None:
    marks = Marks()
    records = b"".join(
        mbo("A", "B", 1, 1, 1, ts_event=5, ts_recv=5, instrument_id=n * 977) for n in range(5_000)
    )
    marks.see(records)
    marks.see(records)
    assert len(marks) == 5_000
    assert marks.replay({RType.MBO}) == 10_000
    assert marks.unseen(records) == b""
    assert marks.pending == 5_000
    assert marks.unseen(records + records[:56]) == records[:56]
    assert marks.give_up() == 0


def test_marks_take_whole_records_only() -> None:
    marks = Marks()
    record = add(1, "B", 1, 1, ts_event=9)
    marks.see(record + record[:40])
    assert marks.replay({RType.MBO}) == 1
    assert record[0] * LENGTH_WORD == len(record)
