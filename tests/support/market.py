"""A small market for the tests of streaming: several instruments, a few events, definitions and status."""

import functools

import numpy as np

from depthcast.dbn.layout import DEFINITION, LENGTH_WORD, MBO, RType
from depthcast.live.symbology import Symbology
from tests.support import records

INSTRUMENTS = {101: "AAA", 102: "BBB", 103: "CCC", 104: "DDD", 105: "EEE"}
START_NS = 1_700_000_000_000_000_000


def symbology() -> Symbology:
    """Of the market's instruments."""
    return Symbology.from_mapping({symbol: number for number, symbol in INSTRUMENTS.items()})


def definition(instrument_id: int, symbol: str, *, asset: str = "", ts_event: int = START_NS) -> bytes:
    """A definition record of a future."""
    record = np.zeros((), DEFINITION)
    record["length"] = DEFINITION.itemsize // LENGTH_WORD
    record["rtype"] = RType.INSTRUMENT_DEF
    record["publisher_id"] = 1
    record["instrument_id"] = instrument_id
    record["ts_event"] = record["ts_recv"] = ts_event
    record["raw_symbol"] = symbol
    record["asset"] = asset
    record["instrument_class"] = b"F"
    return record.tobytes()


@functools.cache
def market(events: int = 400, seed: int = 1, *, others: bool = True) -> bytes:
    """Whole events of all instruments, each opened by a clear; with others, definitions and status too."""
    random = np.random.default_rng(seed)
    out = []
    live: dict[int, list[tuple[int, str, int, int]]] = {number: [] for number in INSTRUMENTS}
    time, order_id = START_NS, 0
    for number, symbol in INSTRUMENTS.items():
        if others:
            out.append(definition(number, symbol))
        out.append(records.clear(instrument_id=number, ts_event=time, ts_recv=time))
    for _ in range(events):
        time += int(random.integers(1, 50_000_000))
        number = int(random.choice(list(INSTRUMENTS)))
        at = {"instrument_id": number, "ts_event": time, "ts_recv": time + 10, "sequence": len(out)}
        resting = live[number]
        what = random.random()
        if others and what < 0.03:
            out.append(records.status(7, instrument_id=number))
        elif what < 0.6 or not resting:
            order_id += 1
            side = str(random.choice(["B", "A"]))
            price = 100 - int(random.integers(1, 20)) if side == "B" else 100 + int(random.integers(1, 20))
            size = int(random.integers(1, 30))
            resting.append((order_id, side, price * 10**9, size))
            out.append(records.add(order_id, side, price * 10**9, size, **at))
        elif what < 0.85:
            gone, side, price, size = resting.pop(int(random.integers(len(resting))))
            out.append(records.cancel(gone, side, price, size, **at))
        else:
            gone, side, price, size = resting.pop(0)
            out.append(records.trade("A" if side == "B" else "B", price, size, **at))
            out.append(records.fill(gone, side, price, size, **at))
            out.append(records.cancel(gone, side, price, size, **at))
    return b"".join(out)


def of(data: bytes, *rtypes: int, ids: tuple[int, ...] | None = None) -> bytes:
    """The records of these rtypes and instruments, by the plainest means."""
    out = []
    at = 0
    while at < len(data):
        end = at + data[at] * LENGTH_WORD
        instrument_id = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at + 1] in rtypes and (ids is None or instrument_id in ids):
            out.append(data[at:end])
        at = end
    return b"".join(out)


def not_snapshot(mbo: bytes) -> bytes:
    """The MBO records that are not flagged F_SNAPSHOT."""
    return b"".join(mbo[at : at + 56] for at in range(0, len(mbo), 56) if not mbo[at + 36] & 0x20)


def mbo_records(count: int, *, instruments: int = 5) -> bytes:
    """So many adds, each a new best bid, and not to be compressed much."""
    random = np.random.default_rng(1)
    made = np.zeros(count, MBO)
    made["length"] = MBO.itemsize // LENGTH_WORD
    made["rtype"] = RType.MBO
    made["publisher_id"] = 1
    made["instrument_id"] = 101 + np.arange(count) % instruments
    made["order_id"] = random.integers(1, 2**63, count)
    made["price"] = 10**9 * (1 + np.arange(count))
    made["size"] = random.integers(1, 2**31, count)
    made["action"] = b"A"
    made["side"] = b"B"
    made["flags"] = 128
    made["ts_event"] = made["ts_recv"] = START_NS + np.arange(count)
    made["sequence"] = random.integers(1, 2**32, count)
    return made.tobytes()
