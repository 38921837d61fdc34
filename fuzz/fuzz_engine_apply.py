"""Feeds the compiled engine bytes: any bytes, or records made from them that meet each other often.

Of every input: only `RecordError` comes out, the engine's own `verify` finds nothing, the same bytes cut into
calls anywhere between records make the same engine (counters, status, checksums, `changed`, snapshot), no
event is open at `boundary`, and the snapshot makes equal books in an empty engine. And of every input, or of
every Nth with ``--compare-every=N``: every answer is the reference engine's, as are the offset and count of
an error. Run: ``python fuzz/fuzz_engine_apply.py -atheris_runs=100000`` (see driver.py). The kernel itself is
compiled and not watched for coverage; what is watched is the reference engine, which states the same rules.
"""

import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.driver import instrumented, run

with instrumented():
    from depthcast.book.engine import Engine
    from depthcast.book.reference import ReferenceEngine

from depthcast.book.types import BookKey
from depthcast.dbn.layout import UNDEF_PRICE
from depthcast.errors import RecordError
from tests.support.compare import assert_same_answers, assert_sound
from tests.support.dbn_files import mixed_records
from tests.support.records import mbo, other, status

_TOKEN_SIZE = 8
_ACTIONS = "AAAACCCMMMRTFFFN?"
_SIDES = "BABABAN?"
_PRICES = {253: 2**63 - 2, 254: -(2**63), 255: UNDEF_PRICE}
_STEPS = (1, 250, 10**9, 10**15)
_SIZES = {254: 2**32 - 2, 255: 2**32 - 1}
_STATUS, _OTHER, _RAW = 253, 254, 255


class Case(NamedTuple):
    """What an input means."""

    records: bytes
    pieces: list[bytes]
    limits: dict[str, int]


class Outcome(NamedTuple):
    """What a call returned, or where it failed and what it had applied by then."""

    done: int
    failed_at: int | None


class Checked(NamedTuple):
    """The engines that agree with each other, and what they said."""

    whole: Engine
    in_pieces: Engine
    copy: Engine
    boundary: Outcome
    applied: Outcome
    changed: list[BookKey]


def one_input(data: bytes) -> None:
    """All checks."""
    case = case_of(data)
    checked = check_alone(case)
    reference = ReferenceEngine(**case.limits)
    assert checked.boundary == outcome(reference.boundary, case.records)
    assert checked.applied == outcome(reference.apply, case.records)
    assert checked.changed == reference.changed()
    assert_same_answers(checked.whole, reference)
    assert_same_answers(checked.in_pieces, reference)
    assert_sound(checked.whole)
    assert_sound(checked.copy)


def quick(data: bytes) -> None:
    """The checks that need no reference engine."""
    check_alone(case_of(data))


def case_of(data: bytes) -> Case:
    """The first bytes say what the rest is, how it is cut, and how long an event may be."""
    kind, first, second = (*data[:3], 0, 0, 0)[:3]
    records = data[3:] if kind & 1 else records_from(data[3:], bool(kind & 4))
    limits = {"max_event_records": 3, "max_event_ns": 20} if kind & 2 else {}
    return Case(records, cut_between_records(records, first, second), limits)


def check_alone(case: Case) -> Checked:
    """What the compiled engine must make of a case whatever the reference says."""
    records, pieces, limits = case
    whole, in_pieces = Engine(**limits), Engine(**limits)
    boundary = outcome(whole.boundary, records)
    applied = outcome(whole.apply, records)
    assert outcome_in_pieces(in_pieces, pieces) == applied
    changed = whole.changed()
    assert in_pieces.changed() == changed
    assert in_pieces.counters == whole.counters
    assert in_pieces.snapshot() == whole.snapshot()
    assert_same_checksums(in_pieces, whole)
    for publisher_id, instrument_id in whole.books():
        assert in_pieces.status(instrument_id, publisher_id) == whole.status(instrument_id, publisher_id)
    assert whole.verify() == in_pieces.verify() == []
    if boundary.failed_at is not None:
        assert boundary.failed_at == applied.failed_at
    else:
        check_boundary(Engine(**limits), records[: boundary.done])
    return Checked(whole, in_pieces, snapshot_copy(whole), boundary, applied, changed)


def outcome(call: Callable[[bytes], int], data: bytes) -> Outcome:
    """What comes of a call. Any error but `RecordError` is a finding."""
    try:
        return Outcome(call(data), failed_at=None)
    except RecordError as error:
        return Outcome(error.applied, -1 if error.offset is None else error.offset)


def outcome_in_pieces(engine: Engine, pieces: list[bytes]) -> Outcome:
    """What comes of applying the pieces, as if they were one."""
    begin = applied = 0
    for piece in pieces:
        done, failed_at = outcome(engine.apply, piece)
        applied += done
        if failed_at is not None:
            return Outcome(applied, begin + failed_at)
        begin += len(piece)
    return Outcome(applied, failed_at=None)


def check_boundary(engine: Engine, records: bytes) -> None:
    """These records leave no book inside an event."""
    engine.apply(records)
    for publisher_id, instrument_id in engine.books():
        assert not engine.status(instrument_id, publisher_id).in_event


def snapshot_copy(engine: Engine) -> Engine:
    """An empty engine that was given the snapshot. Every book of it is equal."""
    copy = Engine()
    copy.apply(engine.snapshot())
    assert copy.verify() == []
    assert_same_checksums(copy, engine)
    for publisher_id, instrument_id in engine.books():
        old, new = (one.status(instrument_id, publisher_id) for one in (engine, copy))
        assert (old.complete and not old.suspect) == (new.complete and not new.suspect)
    return copy


def assert_same_checksums(one: Engine, two: Engine) -> None:
    """The same books, with the same levels and orders."""
    keys = two.books()
    assert one.books() == keys
    for publisher_id, instrument_id in keys:
        checksum = two.checksum(instrument_id, 0, publisher_id)
        assert one.checksum(instrument_id, 0, publisher_id) == checksum


def records_from(tokens: bytes, wide: bool) -> bytes:
    """A record of each 8 bytes; after a raw token the rest as it is."""
    found = bytearray()
    for at in range(0, len(tokens) - _TOKEN_SIZE + 1, _TOKEN_SIZE):
        token = tokens[at : at + _TOKEN_SIZE]
        if token[0] == _RAW:
            return bytes(found) + tokens[at + 1 :]
        found += record_from(token, wide)
    return bytes(found)


@lru_cache(maxsize=1 << 16)
def record_from(token: bytes, wide: bool) -> bytes:
    """A record from small domains, or with orders and prices far apart. Most tokens come again and again."""
    action, flags, names, order, price, size, time, sequence = token
    publisher_id, instrument_id = 1 + (names >> 3 & 1), 7 + (names >> 4 & 1)
    if action == _STATUS:
        return status(
            flags % 20, publisher_id=publisher_id, instrument_id=instrument_id, size=16 + 4 * (size % 8)
        )
    if action == _OTHER:
        return other(flags if flags != 0xA0 else 0, 16 + 4 * (size % 60))
    near = (price % 16 - 4) * 5 + (price == 100)
    return mbo(
        _ACTIONS[action % len(_ACTIONS)],
        _SIDES[names & 7],
        _PRICES.get(price, (price - 100) * _STEPS[names >> 6] if wide else near),
        _SIZES.get(size, size % 8),
        2**64 - 1 if order == 255 else order if wide else order % 8,
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
    structured = [bytes([kind, 1, 3]) + life for kind in (0, 2, 4) for life in made]
    records = b"".join(mixed_records())
    return [*structured, b"\x01\2\5" + records, b"\x03\1\1" + records[-168:]]


if __name__ == "__main__":
    run(one_input, seeds(), quick)
