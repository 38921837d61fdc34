"""A replica amid random cuts, breaks and reconnects: every served view is a past of the feed, and whole."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from depthcast.book.engine import Engine
from depthcast.book.reference import ReferenceEngine
from depthcast.book.types import BookKey
from depthcast.dbn import forms
from tests.property.strategies import tries
from tests.support.records import LAST, add, cancel, clear, fill, modify, status, trade
from tests.support.replicas import Told
from tests.support.simulated import records_of

BOOKS = (BookKey(1, 7), BookKey(1, 8), BookKey(2, 7))
PRICES = (98, 99, 100, 101)


@st.composite
def events(draw: st.DrawFn) -> list[bytes]:
    """One event's records, but for the flag on its last; their book comes later."""
    order_id = draw(st.integers(1, 6))
    side = "BA"[order_id % 2]
    price, size = draw(st.sampled_from(PRICES)), draw(st.integers(1, 5))
    kinds = {
        "add": [add(order_id, side, price, size, 0)],
        "modify": [modify(order_id, side, price, size, 0)],
        "cancel": [cancel(order_id, side, price, size, 0)],
        "clear": [clear(0)],
        "trade": [
            trade(side, price, size),
            fill(order_id, side, price, size),
            cancel(order_id, side, price, size, 0),
        ],
        "several": [add(each, side, price, size, 0) for each in (order_id, order_id + 6, order_id + 12)],
    }
    return kinds[
        draw(st.sampled_from(["add", "add", "several", "several", "modify", "cancel", "trade", "clear"]))
    ]


def of_book(record: bytes, key: BookKey, time: int, flags: int) -> bytes:
    """A record of this book and time."""
    changed = bytearray(record)
    changed[2:4] = key.publisher_id.to_bytes(2, "little")
    changed[4:8] = key.instrument_id.to_bytes(4, "little")
    changed[8:16] = changed[40:48] = time.to_bytes(8, "little")
    changed[36] |= flags
    return bytes(changed)


@st.composite
def feeds(draw: st.DrawFn) -> list[bytes]:
    """Records of several books whose events overlap; each book begins with a clear."""
    open_events: dict[BookKey, list[bytes]] = {key: [clear(0)] for key in BOOKS}
    out = []
    for n in range(draw(st.integers(10, 70))):
        key = draw(st.sampled_from(BOOKS))
        if draw(st.integers(0, 20)) == 0:
            phase = status(
                draw(st.integers(1, 13)), publisher_id=key.publisher_id, instrument_id=key.instrument_id
            )
            out.append(phase)
        record = open_events[key].pop(0)
        last = not open_events[key]
        out.append(of_book(record, key, n + 1, LAST if last else 0))
        if last:
            open_events[key] = draw(events())
    return out


@dataclass
class Past:
    """All that the feed's books ever were, outside events."""

    views: list[tuple[int, dict[BookKey, tuple[int, bool, str | None]]]] = field(default_factory=list)

    @classmethod
    def of(cls, records: list[bytes]) -> "Past":
        engine, past = ReferenceEngine(), cls()
        for position in range(len(records) + 1):
            if not any(engine.status(key[1], key[0]).in_event for key in engine.books()):
                past.views.append((position, view_of(engine)))
            if position < len(records):
                engine.apply(records[position])
        return past

    def find(self, view: dict[BookKey, tuple[int, bool, str | None]], after: int) -> int:
        """The first position, not before ``after``, where the feed's books were these."""
        for position, there in self.views:
            if position >= after and there == view:
                return position
        raise AssertionError(f"the books were never so after {after}: {view}")


def view_of(engine: Engine | ReferenceEngine) -> dict[BookKey, tuple[int, bool, str | None]]:
    """Every book: checksum, whether it is good, phase."""
    view = {}
    for key in engine.books():
        state = engine.status(key.instrument_id, key.publisher_id)
        good = state.complete and not state.suspect
        view[key] = engine.checksum(key.instrument_id, publisher_id=key.publisher_id), good, state.phase
    return view


def pieces(data: st.DataObject, records: list[bytes]) -> list[bytes]:
    """These records in random chunks."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=8)))
    return [b"".join(records[a:b]) for a, b in zip([0, *cuts], [*cuts, len(records)], strict=True) if a < b]


def snapshot_at(records: list[bytes], position: int) -> bytes:
    """What the gateway sends first: the latest statuses, then the books."""
    engine = Engine()
    engine.apply(b"".join(records[:position]))
    latest = {one[2:8]: one for one in records[:position] if one[1] != 0xA0}
    return b"".join(latest.values()) + engine.snapshot()


class Watch:
    """Holds what is served to the feed's past, after everything that happens."""

    def __init__(self, told: Told, records: list[bytes]) -> None:
        self.told = told
        self.past = Past.of(records)
        self.position = 0
        self.served: set[BookKey] = set()

    def look(self) -> None:
        replica = self.told.replica
        if not replica.ready:
            assert replica.engine.books() == []
            return
        view = view_of(replica.engine)
        assert replica.engine.open_events == 0
        self.position = self.past.find(view, self.position)
        assert self.served <= set(view), "a served book went away"
        self.served = set(view)
        listener = self.told.listener
        assert {key: one[0] for key, one in view.items()} == listener.seen  # every change was told
        own = listener.books
        assert {key: own.checksum(key[1], publisher_id=key[0]) for key in own.books()} == listener.seen


@tries(100)
@given(data=st.data(), records=feeds(), tells=st.booleans())
def test_whatever_breaks_every_served_view_is_whole_and_never_goes_back(
    data: st.DataObject, records: list[bytes], tells: bool
) -> None:
    told = Told()
    watch = Watch(told, records)
    at = 0
    for _ in range(data.draw(st.integers(1, 4), label="sessions")):
        at = data.draw(st.integers(at, len(records)), label="joined at")
        begin, resets = at, len(told.listener.resets)
        told.connect()
        for piece in pieces(data, records_of(snapshot_at(records, begin))):
            told.records(piece)
            watch.look()
        end = data.draw(st.integers(at, len(records)), label="cut at")
        filled = data.draw(st.integers(at, end), label="snapshot completed at")
        for piece in pieces(data, records[at:filled]):
            told.records(piece)
            watch.look()
        if tells:
            told.completed()
        else:
            told.wait(1.1)
        watch.look()
        for piece in pieces(data, records[filled:end]):
            told.records(piece)
            watch.look()
        if len(told.listener.resets) > resets:
            assert forms.actions(b"".join(records[begin:end]), b"T").startswith(told.listener.trades)
        at = end
        told.disconnect()
        watch.look()


@tries(40)
@given(data=st.data(), records=feeds())
def test_a_book_that_stays_inside_an_event_says_so_and_keeps_no_other_waiting(
    data: st.DataObject, records: list[bytes]
) -> None:
    """With time going by, held records are applied: a book is inside its event then, and says so."""
    told = Told()
    past: dict[BookKey, list[int]] = {key: [] for key in BOOKS}
    engine = ReferenceEngine()
    told.connect()
    told.completed()
    for piece in pieces(data, records):
        for record in records_of(piece):
            engine.apply(record)
            for key in engine.books():
                past[key].append(engine.checksum(key.instrument_id, publisher_id=key.publisher_id))
        told.records(piece)
        told.wait(data.draw(st.sampled_from([0.0, 0.1, 0.3])))
        served = told.replica.engine
        opened = [
            key for key in served.books() if served.status(key.instrument_id, key.publisher_id).in_event
        ]
        assert len(opened) == served.open_events
        for key in served.books():
            assert served.checksum(key.instrument_id, publisher_id=key.publisher_id) in past[key]
    told.wait(0.3)
    told.wait(0.3)
    assert told.replica.held_bytes == 0
    assert view_of(told.replica.engine) == view_of(engine)
