"""Frames of closed segments, unpacked side by side and cut down to one instrument; the newest are kept."""

import os
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Final

import zstandard

from depthcast.dbn import forms
from depthcast.dbn.layout import RType
from depthcast.journal.index import Block, Frame
from depthcast.journal.segments import ClosedSegment

__all__ = ["BOOK_RTYPES", "Frames"]

BOOK_RTYPES: Final = frozenset({int(RType.MBO), int(RType.STATUS)})
"""What changes a book."""
RUN_BYTES: Final = 1 << 20
"""Stored bytes that are read at once: fewer requests to a store, several frames a task."""
HOT_SHARE: Final = 10
"""So manieth part of the cache is for what was used last; the rest is packed, three times as dense."""
_AHEAD: Final = 2
"""Runs that are under way for each thread, and one that is waited for."""

_Key = tuple[str, int, int]


class Frames:
    """Reads frames. Any thread may ask; what is unpacked is in at most `threads` places at a time.

    Args:
        cache_bytes: how much of what was read is kept, as records of single instruments.
        threads: that unpack; those of the machine's cores, but four at most, if none are given.
    """

    def __init__(self, cache_bytes: int, threads: int = 0) -> None:
        self.hits = self.misses = 0
        self._threads = threads or min(4, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._threads, "depthcast-frames")
        self._lock = Lock()
        self._hot = _Kept(cache_bytes // HOT_SHARE)
        self._packed = _Kept(cache_bytes - cache_bytes // HOT_SHARE)

    def close(self) -> None:
        """Unpack nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def of(
        self, segment: ClosedSegment, blocks: Sequence[Block | Frame], instrument_id: int
    ) -> Iterator[bytes]:
        """What changes the books of one instrument, of these frames of a segment, in order.

        Raises:
            JournalError: a frame is damaged, or cannot be read.
        """
        waiting: deque[bytes | Future[list[bytes]]] = deque()
        under_way = 0
        try:
            for part in self._parts(segment, blocks, instrument_id):
                if isinstance(part, bytes):
                    waiting.append(part)
                else:
                    waiting.append(self._pool.submit(self._read, segment, part, instrument_id))
                    under_way += 1
                while waiting and (under_way > _AHEAD * self._threads or isinstance(waiting[0], bytes)):
                    first = waiting.popleft()
                    under_way -= not isinstance(first, bytes)
                    yield from _whole(first)
            while waiting:
                yield from _whole(waiting.popleft())
        finally:
            for each in waiting:
                if not isinstance(each, bytes):
                    each.cancel()

    def _parts(
        self, segment: ClosedSegment, blocks: Sequence[Block | Frame], instrument_id: int
    ) -> Iterator[bytes | list[Block | Frame]]:
        """What is kept, and between it runs of frames that must be read."""
        run: list[Block | Frame] = []
        size = 0
        for block in blocks:
            known = self._known((segment.index.sha256, block.offset, instrument_id))
            if run and (known is not None or size + block.stored_bytes > RUN_BYTES):
                yield run
                run, size = [], 0
            if known is not None:
                yield known
            else:
                run.append(block)
                size += block.stored_bytes
        if run:
            yield run

    def _read(self, segment: ClosedSegment, run: Sequence[Block | Frame], instrument_id: int) -> list[bytes]:
        ids = forms.IdSet([instrument_id])
        found = []
        for block, data in zip(run, segment.unpacked(run), strict=False):
            mine = forms.form(data, instrument_ids=ids, rtypes=BOOK_RTYPES)
            self._keep((segment.index.sha256, block.offset, instrument_id), mine)
            found.append(mine)
        return found

    def _known(self, key: _Key) -> bytes | None:
        with self._lock:
            found = self._hot.get(key)
            packed = None if found is not None else self._packed.get(key)
            self.hits += found is not None or packed is not None
            self.misses += found is None and packed is None
        if packed is not None:
            found = zstandard.ZstdDecompressor().decompress(packed)
            with self._lock:
                self._hot.put(key, found)
        return found

    def _keep(self, key: _Key, data: bytes) -> None:
        packed = zstandard.ZstdCompressor(level=1).compress(data)
        with self._lock:
            self._packed.put(key, packed)
            self._hot.put(key, data)


class _Kept:
    """The most recently used of some bytes, up to so many together."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0
        self._values: OrderedDict[_Key, bytes] = OrderedDict()

    def get(self, key: _Key) -> bytes | None:
        found = self._values.get(key)
        if found is not None:
            self._values.move_to_end(key)
        return found

    def put(self, key: _Key, data: bytes) -> None:
        before = self._values.pop(key, None)
        self._bytes += _size(data) - (0 if before is None else _size(before))
        self._values[key] = data
        while self._bytes > self._most:
            _, dropped = self._values.popitem(last=False)
            self._bytes -= _size(dropped)


def _whole(part: "bytes | Future[list[bytes]]") -> Iterator[bytes]:
    if isinstance(part, bytes):
        yield part
    else:
        yield from part.result()


def _size(data: bytes) -> int:
    """What is counted for keeping it: its bytes, and what Python and the table take beside."""
    return len(data) + 300
