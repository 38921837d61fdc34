"""Where in a gateway's stream a feed was: a replay from there, less what was received, is what follows."""

from hypothesis import given, settings
from hypothesis import strategies as st

from depthcast.dbn import RType, forms
from depthcast.dbn.layout import Flags
from depthcast.feed.sources.retained import Place, Retained, Unseen
from tests.support.records import add, status
from tests.support.sources import split

BASE = 10**15
LOOKBACK = 1_000


@st.composite
def streams(draw: st.DrawFn, *, late_ns: int, least_step: int) -> list[bytes]:
    """Records whose times grow, but for up to ``late_ns``."""
    records, now = [], BASE
    for _ in range(draw(st.integers(0, 60))):
        now += draw(st.sampled_from([least_step, least_step, 1, 400, 3_000]))
        time = now - draw(st.integers(0, late_ns))
        instrument_id = draw(st.integers(7, 9))
        kind = draw(st.sampled_from(["order", "order", "order", "snapshot", "status"]))
        if kind == "status":
            records.append(
                status(7, instrument_id=instrument_id)[:8] + time.to_bytes(8, "little") + status(7)[16:]
            )
        else:
            old = kind == "snapshot"
            flags = int(Flags.LAST | Flags.SNAPSHOT) if old else int(Flags.LAST)
            records.append(
                add(
                    len(records),
                    "B",
                    100,
                    1,
                    flags,
                    ts_event=BASE - 10**9 if old else time,
                    ts_recv=time,
                    instrument_id=instrument_id,
                )
            )
    return records


def replay(records: list[bytes], starts: dict[int, int]) -> bytes:
    """What a gateway gives, by schema; those of which no time is known from the earliest on."""
    told = b""
    for rtype in (RType.STATUS, RType.MBO):
        start = starts.get(rtype, min(starts.values()))
        told += forms.since(forms.form(b"".join(records), rtypes=[int(rtype)]), start)
    return told


def check(records: list[bytes], cuts: list[int], state: int, end: int, retained: Retained) -> None:
    at = 0
    for cut in [*sorted(cuts), len(records)]:
        if cut > at:
            retained.add(b"".join(records[at:cut]), cut - at, at)
            at = cut
    place = retained.place(state)
    assert place is not None
    unseen = Unseen(place, by_ts_recv=True)
    unseen.received(b"".join(records[state:end]))
    told = split(unseen.take(replay(records, place.starts)))
    for rtype in (RType.STATUS, RType.MBO):
        assert [each for each in told if each[1] == rtype] == [
            each for each in records[end:] if each[1] == rtype
        ]
    assert unseen.pending == 0


@given(streams(late_ns=0, least_step=0), st.lists(st.integers(0, 60), max_size=8), st.data())
@settings(max_examples=150)
def test_from_a_known_beginning_at_any_position(
    records: list[bytes], cuts: list[int], data: st.DataObject
) -> None:
    state = data.draw(st.integers(0, len(records)))
    end = data.draw(st.integers(state, len(records)))
    base = Place({RType.MBO: BASE, RType.STATUS: BASE}, [])
    retained = Retained(base, 0, by_ts_recv=True, lookback_ns=LOOKBACK)
    check(records, [cut for cut in cuts if cut < len(records)], state, end, retained)


@given(streams(late_ns=LOOKBACK - 1, least_step=1), st.data())
@settings(max_examples=150)
def test_records_that_come_late(records: list[bytes], data: st.DataObject) -> None:
    state = data.draw(st.integers(0, len(records)))
    end = data.draw(st.integers(state, len(records)))
    base = Place({RType.MBO: BASE - LOOKBACK, RType.STATUS: BASE - LOOKBACK}, [])
    retained = Retained(base, 0, by_ts_recv=True, lookback_ns=LOOKBACK)
    check(records, list(range(len(records))), state, end, retained)


@given(streams(late_ns=0, least_step=1), st.data())
@settings(max_examples=150)
def test_of_what_is_retained_only(records: list[bytes], data: st.DataObject) -> None:
    retained = Retained(None, 0, by_ts_recv=True, lookback_ns=LOOKBACK, keep_bytes=20 * 56)
    for at, record in enumerate(records):
        retained.add(record, 1, at)
    state = data.draw(st.integers(0, len(records)))
    place = retained.place(state)
    if place is None:
        assert state < max(len(records) - 19, 1)
        return
    unseen = Unseen(place, by_ts_recv=True)
    told = split(unseen.take(replay(records, place.starts)))
    for rtype in (RType.STATUS, RType.MBO):
        assert [each for each in told if each[1] == rtype] == [
            each for each in records[state:] if each[1] == rtype
        ]


@given(streams(late_ns=0, least_step=0), st.data())
@settings(max_examples=100)
def test_over_one_restart_after_another(records: list[bytes], data: st.DataObject) -> None:
    base = Place({RType.MBO: BASE, RType.STATUS: BASE}, [])
    at = 0
    for _ in range(3):
        stop = data.draw(st.integers(at, len(records)))
        retained = Retained(base, at, by_ts_recv=True, lookback_ns=LOOKBACK)
        for number in range(at, stop):
            retained.add(records[number], 1, number)
        at = data.draw(st.integers(at, stop))
        place = retained.place(at)
        assert place is not None
        base = place
    told = split(Unseen(base, by_ts_recv=True).take(replay(records, base.starts)))
    for rtype in (RType.STATUS, RType.MBO):
        assert [each for each in told if each[1] == rtype] == [
            each for each in records[at:] if each[1] == rtype
        ]


def test_nothing_is_known_before_the_first_record_nor_of_what_was_let_go() -> None:
    retained = Retained(None, 100, by_ts_recv=True, keep_bytes=10 * 56)
    assert retained.place(100) is None
    for at in range(50):
        retained.add(add(at, "B", 100, 1, ts_event=at + 1), 1, 100 + at)
    assert retained.place(120) is None
    assert retained.place(145) is not None


def test_what_is_later_than_all_received_is_never_taken_for_old() -> None:
    """The gateway forgot the last two records for good; one of the same time comes again as new."""
    old = [add(number, "B", 100, 1, ts_event=time) for number, time in enumerate((10, 20, 20, 20))]
    new = [add(9, "B", 100, 1, ts_event=21), add(10, "B", 100, 1, ts_event=19)]
    unseen = Unseen(Place({RType.MBO: 10}, [(RType.MBO, 7, 4)], {RType.MBO: 20}), by_ts_recv=True)
    assert unseen.take(old[0] + old[1]) == b""
    assert unseen.take(old[2] + new[0]) == new[0]
    assert unseen.pending == 1
    assert unseen.take(new[0]) == new[0]


def test_databentos_replays_go_by_ts_event_alone() -> None:
    old = add(1, "B", 100, 1, int(Flags.SNAPSHOT), ts_event=5, ts_recv=5_000)
    new = add(2, "B", 100, 1, ts_event=5_000, ts_recv=5_000)
    retained = Retained(Place({RType.MBO: 10}, []), 0, by_ts_recv=False)
    retained.add(old + new, 2, 0)
    place = retained.place(2)
    assert place == Place({RType.MBO: 10}, [(RType.MBO, 7, 1)], {RType.MBO: 5_000})
