"""Random and adversarial records: alone, and in the sequences that venues send."""

from itertools import chain

from hypothesis import settings
from hypothesis import strategies as st

from depthcast.dbn.layout import UNDEF_PRICE
from tests.support.domains import Domain
from tests.support.records import BAD_TS_RECV, LAST, MAYBE_BAD, MBP, SNAPSHOT, TOB, mbo, other, status

USUAL_TRIES = 100
Draw = st.DrawFn
RecordList = list[bytes]

PLAIN_FLAGS = [LAST, LAST, LAST, 0, 0]
ODD_FLAGS = [TOB, MBP, SNAPSHOT, SNAPSHOT, SNAPSHOT | BAD_TS_RECV, MAYBE_BAD, 0x02, 0x01]
SNAPSHOT_FLAGS = SNAPSHOT | BAD_TS_RECV
TIMES = [*range(1, 60), 0, 10**9, 59 * 10**9, 2**63, 2**64 - 1]
"""Few and small, so that ties and steps back are common; some far, so that events grow long."""


def tries(count: int) -> settings:
    """``count`` examples by default, in proportion more under a profile that looks further."""
    return settings(max_examples=max(1, count * settings().max_examples // USUAL_TRIES))


@st.composite
def flags(draw: Draw) -> int:
    """Mostly what live records carry; now and then one or two odd ones."""
    value = draw(st.sampled_from(PLAIN_FLAGS))
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 0, 0, 1, 1, 2]))):
        value |= draw(st.sampled_from(ODD_FLAGS))
    return value


@st.composite
def book(draw: Draw, domain: Domain) -> dict[str, int]:
    """Whose record it is, and when."""
    return {
        "publisher_id": draw(st.sampled_from(domain.publishers)),
        "instrument_id": draw(st.sampled_from(domain.instruments)),
        "ts_event": draw(st.sampled_from(TIMES)),
        "ts_recv": draw(st.sampled_from(TIMES[:60])),
        "sequence": draw(st.integers(0, 40)),
    }


@st.composite
def place(draw: Draw, domain: Domain, order_id: int) -> tuple[str, int]:
    """The side and price of a record of an order: mostly its home, else anything."""
    side, price = domain.home(order_id)
    if draw(st.sampled_from([False, False, False, True])):
        side = draw(st.sampled_from("BBBAAANx"))
    if draw(st.sampled_from([False, False, False, True])):
        price = draw(st.sampled_from([*domain.prices, UNDEF_PRICE]))
    return side, price


@st.composite
def one_record(draw: Draw, domain: Domain) -> RecordList:
    """Any MBO record."""
    order_id = draw(st.sampled_from(domain.order_ids))
    side, price = draw(place(domain, order_id))
    action = draw(st.sampled_from("AAAAAACCCMMMMFFTNRX" + ("AAAAAAAA" if domain.dense else "")))
    size = draw(st.sampled_from([*domain.sizes, *domain.sizes, 0]))
    fields = draw(book(domain))
    if draw(st.sampled_from([False] * 9 + [True])):
        fields["ts_recv"] = draw(st.sampled_from(TIMES))
    ts_out = draw(st.sampled_from([None, None, None, 0, 2**64 - 1]))
    return [mbo(action, side, price, size, order_id, draw(flags()), ts_out=ts_out, **fields)]


@st.composite
def ordinary_add(draw: Draw, domain: Domain) -> RecordList:
    """An order at home, as one event: what fills books."""
    fields = draw(book(domain))
    order_id = draw(st.sampled_from(domain.order_ids))
    side, price = domain.home(order_id)
    return [mbo("A", side, price, draw(st.sampled_from(domain.sizes)), order_id, LAST, **fields)]


@st.composite
def trade_event(draw: Draw, domain: Domain) -> RecordList:
    """A trade and its fills, then what becomes of the filled orders: gone, smaller, or shown anew.

    Half of the filled orders rest for certain: they were added just before.
    """
    fields = draw(book(domain))
    ids = draw(st.lists(st.sampled_from(domain.order_ids), min_size=1, max_size=3))
    before = []
    records = [mbo("T", "B", domain.prices[0], 1, 0, 0, **fields)]
    after = []
    for order_id in ids:
        side, price = domain.home(order_id)
        size = draw(st.sampled_from(domain.sizes))
        if draw(st.booleans()):
            before.append(
                mbo("A", side, price, draw(st.sampled_from(domain.sizes)), order_id, LAST, **fields)
            )
        records += [mbo("F", side, price, size, order_id, 0, **fields)] * draw(st.integers(1, 2))
        action = draw(st.sampled_from("CMMM"))
        after.append(mbo(action, side, price, draw(st.sampled_from(domain.sizes)), order_id, 0, **fields))
    records = [*before, *records, *after]
    if draw(st.sampled_from([True, True, True, False])):
        records.append(mbo("N", "N", 0, 0, 0, LAST, **fields))
    return records


@st.composite
def snapshot_run(draw: Draw, domain: Domain) -> RecordList:
    """A snapshot of one book, with and without its R and its F_LAST, in any order across levels."""
    fields = draw(book(domain))
    bad = draw(st.sampled_from([0, 0, 0, MAYBE_BAD]))
    ids = draw(st.lists(st.sampled_from(domain.order_ids), max_size=5))
    records = []
    if draw(st.booleans()):
        records.append(
            mbo("R", flags=draw(st.sampled_from([SNAPSHOT_FLAGS, SNAPSHOT_FLAGS, 8])) | bad, **fields)
        )
    for order_id in ids:
        side, price = domain.home(order_id)
        size = draw(st.sampled_from(domain.sizes))
        own = fields | {"ts_event": draw(st.sampled_from(TIMES)), "sequence": draw(st.integers(0, 40))}
        action = draw(st.sampled_from("AAAAAAAACMTF"))
        ends = draw(st.sampled_from([0, 0, 0, 0, LAST]))
        records.append(mbo(action, side, price, size, order_id, SNAPSHOT_FLAGS | bad | ends, **own))
    if records and draw(st.sampled_from([True, True, True, False])):
        last = bytearray(records[-1])
        last[36] |= LAST
        records[-1] = bytes(last)
    return records


@st.composite
def quote(draw: Draw, domain: Domain) -> RecordList:
    """A venue that publishes its top of book only."""
    price = draw(st.sampled_from([*domain.prices, UNDEF_PRICE]))
    size = draw(st.sampled_from([*domain.sizes, 0]))
    side = draw(st.sampled_from("BA"))
    return [mbo("A", side, price, size, 0, draw(st.sampled_from([LAST, 0])) | TOB, **draw(book(domain)))]


@st.composite
def not_mbo(draw: Draw, domain: Domain) -> RecordList:
    """A Status record, or one of a type that is skipped."""
    if draw(st.booleans()):
        return [
            status(
                draw(st.integers(0, 17)),
                publisher_id=draw(st.sampled_from(domain.publishers)),
                instrument_id=draw(st.sampled_from(domain.instruments)),
                size=draw(st.sampled_from([40, 40, 48, 28, 24])),
            )
        ]
    return [
        other(draw(st.sampled_from([0, 1, 0x0A, 0x13, 0x17, 0xC3, 0xFF])), draw(st.sampled_from([16, 80])))
    ]


def record_lists(domain: Domain, max_size: int = 30) -> st.SearchStrategy[RecordList]:
    """A stretch of a feed: whole records, in order."""
    piece = st.one_of(
        ordinary_add(domain),
        ordinary_add(domain),
        one_record(domain),
        one_record(domain),
        one_record(domain),
        trade_event(domain),
        trade_event(domain),
        snapshot_run(domain),
        quote(domain),
        not_mbo(domain),
    )
    return st.lists(piece, max_size=max_size).map(lambda pieces: list(chain.from_iterable(pieces)))


def broken_records() -> st.SearchStrategy[bytes]:
    """Bytes that are not a whole, well-framed record."""
    return st.one_of(
        st.tuples(st.integers(0, 3), st.binary(max_size=70)).map(lambda part: bytes([part[0]]) + part[1]),
        st.sampled_from([4, 10, 13, 15, 17, 255]).map(
            lambda words: bytes([words, 0xA0]).ljust(words * 4, b"\1")
        ),
        st.integers(1, 55).map(lambda size: mbo("A", "B", 1, 1, 1)[:size]),
        st.integers(1, 63).map(lambda size: mbo("A", "B", 1, 1, 1, ts_out=1)[:size]),
        st.integers(1, 39).map(lambda size: status(7)[:size]),
    )
