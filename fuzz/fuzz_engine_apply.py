"""Feeds the compiled engine bytes: any bytes, or records made from them that meet each other often.

Only `RecordError` may come out, with the offset and count that the reference engine says; after that, and
however the bytes were cut into calls, every answer is the reference's, the invariants hold, and a
snapshot makes an equal book. Run: ``python fuzz/fuzz_engine_apply.py -atheris_runs=100000`` (see
driver.py). The kernel itself is compiled and not watched for coverage; what is watched is the reference
engine, which states the same rules.
"""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.driver import instrumented, run

with instrumented():
    from depthcast.book.engine import Engine
    from depthcast.book.reference import ReferenceEngine

from depthcast.dbn.layout import UNDEF_PRICE
from depthcast.errors import RecordError
from tests.support.compare import assert_same_answers, assert_sound
from tests.support.dbn_files import mixed_records
from tests.support.engines import AnyEngine
from tests.support.records import mbo, other, status

_TOKEN_SIZE = 8
_ACTIONS = "AAAACCCMMMRTFFFN?"
_SIDES = "BABABAN?"
_PRICES = {253: 2**63 - 2, 254: -(2**63), 255: UNDEF_PRICE}
_SIZES = {254: 2**32 - 2, 255: 2**32 - 1}
_STATUS, _OTHER, _RAW = 253, 254, 255


def one_input(data: bytes) -> None:
    """The first bytes say what the rest is, how it is cut, and how long an event may be."""
    kind, first, second = (*data[:3], 0, 0, 0)[:3]
    records = data[3:] if kind & 1 else records_from(data[3:])
    limits = {"max_event_records": 3, "max_event_ns": 20} if kind & 2 else {}
    whole, reference = Engine(**limits), ReferenceEngine(**limits)
    assert outcome(whole.boundary, records) == outcome(reference.boundary, records)
    assert outcome(whole.apply, records) == outcome(reference.apply, records)
    assert_same_answers(whole, reference)
    assert_sound(whole)
    in_pieces = Engine(**limits)
    for piece in cut_between_records(records, first, second):
        failed = outcome(in_pieces.apply, piece)[0]
        if failed:
            break
    assert_same_answers(in_pieces, whole)
    assert whole.changed() == reference.changed() == in_pieces.changed()
    check_snapshot(whole)


def outcome(call: Callable[[bytes], int], data: bytes) -> tuple[bool, int, int]:
    """Whether it failed, what it returned or applied, and where it failed."""
    try:
        return False, call(data), -1
    except RecordError as error:
        return True, error.applied, -1 if error.offset is None else error.offset


def check_snapshot(engine: AnyEngine) -> None:
    """Every book's snapshot makes an equal book in an empty engine."""
    again = Engine()
    again.apply(engine.snapshot())
    assert again.books() == engine.books()
    assert_sound(again)
    for publisher_id, instrument_id in engine.books():
        book, copy = (one.status(instrument_id, publisher_id) for one in (engine, again))
        assert (book.complete and not book.suspect) == (copy.complete and not copy.suspect)
        assert engine.depth(instrument_id, 0, publisher_id) == again.depth(instrument_id, 0, publisher_id)
        assert engine.checksum(instrument_id, 0, publisher_id) == again.checksum(
            instrument_id, 0, publisher_id
        )


def records_from(tokens: bytes) -> bytes:
    """A record of each 8 bytes, from small domains; after a raw token the rest as it is."""
    found = bytearray()
    for at in range(0, len(tokens) - _TOKEN_SIZE + 1, _TOKEN_SIZE):
        token = tokens[at : at + _TOKEN_SIZE]
        if token[0] == _RAW:
            return bytes(found) + tokens[at + 1 :]
        found += record_from(token)
    return bytes(found)


def record_from(token: bytes) -> bytes:
    action, flags, names, order, price, size, time, sequence = token
    publisher_id, instrument_id = 1 + (names >> 3 & 1), 7 + (names >> 4 & 1)
    if action == _STATUS:
        return status(
            flags % 20, publisher_id=publisher_id, instrument_id=instrument_id, size=16 + 4 * (size % 8)
        )
    if action == _OTHER:
        return other(flags if flags != 0xA0 else 0, 16 + 4 * (size % 60))
    return mbo(
        _ACTIONS[action % len(_ACTIONS)],
        _SIDES[names & 7],
        _PRICES.get(price, (price % 16 - 4) * 5 + (price == 100)),
        _SIZES.get(size, size % 8),
        2**64 - 1 if order == 255 else order % 8,
        flags,
        ts_event=1000 + time,
        ts_recv=2000 + (time >> 4),
        sequence=sequence,
        publisher_id=publisher_id,
        instrument_id=instrument_id,
        ts_out=time if names & 0x20 else None,
    )


def cut_between_records(records: bytes, first: int, second: int) -> list[bytes]:
    """The bytes in up to three pieces, cut after so many records; what is broken stays whole in its piece."""
    ends = [0]
    while ends[-1] < len(records):
        ends.append(ends[-1] + max(16, records[ends[-1]] * 4))
    begin, end = sorted((ends[first % len(ends)], ends[second % len(ends)]))
    return [records[:begin], records[begin:end], records[end:]]


def seeds() -> list[bytes]:
    """Short lives of small books, and some records as they are."""
    last, snapshot = 0x80, 0xA8
    tokens = {
        "add": (0, last, 0, 1, 6, 5, 1, 1),
        "other side": (0, last, 1, 2, 7, 5, 1, 2),
        "behind": (0, 0, 0, 3, 6, 2, 2, 3),
        "cancel": (4, last, 0, 1, 6, 2, 3, 4),
        "modify": (7, last, 0, 1, 6, 7, 3, 5),
        "move": (7, last, 0, 1, 8, 3, 3, 6),
        "clear": (10, last, 6, 0, 255, 0, 4, 7),
        "trade": (11, 0, 0, 0, 6, 2, 5, 8),
        "fill": (12, 0, 0, 1, 6, 5, 5, 8),
        "status": (_STATUS, 7, 0, 0, 0, 6, 0, 0),
        "other": (_OTHER, 0x13, 0, 0, 0, 50, 0, 0),
        "snapshot clear": (10, snapshot & ~last, 6, 0, 255, 0, 6, 9),
        "snapshot add": (0, snapshot, 0, 5, 3, 2, 6, 9),
        "top": (0, last | 0x40, 0, 0, 5, 6, 6, 9),
        "level": (0, last | 0x10, 0, 0, 5, 6, 6, 9),
        "raw": (_RAW, 0x0E, 0xA0, 1, 0, 7, 0, 0),
    }
    lives = (
        "clear add behind other_side cancel modify move",
        "add behind trade fill modify",
        "add snapshot_add snapshot_clear snapshot_add add cancel",
        "add top other_side add level clear status other add",
        "clear add add move raw",
    )
    made = [b"".join(bytes(tokens[name.replace("_", " ")]) for name in life.split()) for life in lives]
    structured = [bytes([kind, 1, 3]) + life for kind in (0, 2) for life in made]
    records = b"".join(mixed_records())
    return [*structured, b"\x01\2\5" + records, b"\x03\1\1" + records[-168:]]


if __name__ == "__main__":
    run(one_input, seeds())
