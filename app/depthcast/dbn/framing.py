"""Where records begin and end: the check that bytes are whole, well-framed DBN records.

A record's first byte is its length in 4-byte words. Any rtype may have any length of at least a header
(unknown ones are skipped by it), but an MBO record is 56 bytes, or 64 with ``ts_out``: any other length
is a broken byte.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depthcast.dbn.layout import HEADER_SIZE, LENGTH_WORD, MBO_SIZE, RType

TS_OUT_SIZE: Final = 8
"""A record with ``ts_out`` is this many bytes longer."""
MAX_RECORD_SIZE: Final = 255 * LENGTH_WORD

_MIN_WORDS: Final = HEADER_SIZE // LENGTH_WORD
_MBO_LENGTHS: Final = (MBO_SIZE // LENGTH_WORD, (MBO_SIZE + TS_OUT_SIZE) // LENGTH_WORD)
_MBO: Final = int(RType.MBO)
_FIRST_RUN_BYTES: Final = 8 * 1024
_WALK_BYTES: Final = 16 * 1024


class Framing(NamedTuple):
    """How far bytes are good records.

    ``end`` is the offset after the last whole record. ``broken`` says what is wrong with the record that
    begins there; None if nothing is: the bytes end there, or inside that record.
    """

    end: int
    broken: str | None


def frame(data: NDArray[np.uint8], begin: int, end: int) -> Framing:
    """The whole records of ``data[begin:end]``, where ``begin`` is the start of a record.

    A stretch of records of one rtype and length is checked as one array operation (1 ns a record); where they
    are mixed, a little is walked record by record (about 60 ns) before the next stretch is tried.
    """
    at = begin
    run = end - begin
    while True:
        limit = min(end, at + run)
        at = _uniform_run(data, at, limit)
        if limit < end and limit - at < MAX_RECORD_SIZE:
            run *= 4
            continue
        limit = min(end, at + _WALK_BYTES)
        at, broken = _walk(data, at, limit)
        if broken is not None or limit == end:
            return Framing(at, broken)
        run = _FIRST_RUN_BYTES


def _uniform_run(data: NDArray[np.uint8], begin: int, end: int) -> int:
    """Where the records of the length and rtype of the one at ``begin`` stop; ``begin`` if that is bad."""
    if end - begin < HEADER_SIZE:
        return begin
    words, rtype = int(data[begin]), int(data[begin + 1])
    count = (end - begin) // (words * LENGTH_WORD or 1)
    if count == 0 or why_broken(words, rtype) is not None:
        return begin
    size = words * LENGTH_WORD
    heads: NDArray[np.uint16] = np.ndarray((count,), dtype="<u2", buffer=data, offset=begin, strides=(size,))
    same = heads == heads[0]
    return begin + size * (count if same.all() else int(same.argmin()))


def _walk(data: NDArray[np.uint8], begin: int, end: int) -> tuple[int, str | None]:
    """Step over records: the offset after the last whole one, and what is broken there."""
    window = data[begin:end].tobytes() + b"\0"  # one more: a lone last byte has no rtype after it
    at = last = 0
    stop = end - begin
    while at < stop:
        words = window[at]
        if words not in _MBO_LENGTHS and (words < _MIN_WORDS or window[at + 1] == _MBO):
            return begin + at, why_broken(words, window[at + 1])
        last = at
        at += words * LENGTH_WORD
    return begin + (at if at == stop else last), None


def why_broken(words: int, rtype: int) -> str | None:
    """What is wrong with a record's first two bytes, None if nothing is."""
    if words < _MIN_WORDS:
        return f"a record of {words * LENGTH_WORD} bytes, less than its {HEADER_SIZE}-byte header"
    if rtype == _MBO and words not in _MBO_LENGTHS:
        size = words * LENGTH_WORD
        return f"an MBO record of {size} bytes; they have {MBO_SIZE}, or {MBO_SIZE + TS_OUT_SIZE} with ts_out"
    return None


def record_starts(data: NDArray[np.uint8], begin: int, end: int) -> NDArray[np.int64]:
    """The offset of each record in ``data[begin:end]``, which `frame` has found to be whole, good records."""
    pieces: list[NDArray[np.int64]] = []
    at = begin
    while at < end:
        size = int(data[at]) * LENGTH_WORD
        after = _uniform_run(data, at, end if at == begin else min(end, at + _FIRST_RUN_BYTES))
        pieces.append(np.arange(at, after, size, dtype=np.int64))
        limit = min(end, after + _WALK_BYTES)
        window = data[after:limit].tobytes()
        walked: list[int] = []
        step = 0
        while step < len(window) and step + window[step] * LENGTH_WORD <= len(window):
            walked.append(step)
            step += window[step] * LENGTH_WORD
        pieces.append(np.array(walked, dtype=np.int64) + after)
        at = after + step
    return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int64)
