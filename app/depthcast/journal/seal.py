"""Closing a segment: the open file becomes independent zstd frames with an index beside them."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import zstandard

from depthcast.dbn import forms
from depthcast.dbn.framing import frame
from depthcast.errors import JournalError
from depthcast.journal.index import Block, Frame, OpenHeader, SegmentIndex, Times, encode
from depthcast.journal.names import INDEX, SEGMENT, Journal
from depthcast.journal.objects import explain, make_folder, read_exactly, sync_folder

__all__ = ["FRAME_BYTES", "Packed", "seal"]

FRAME_BYTES: Final = 1 << 20
"""Unpacked bytes of a frame, at most: what has to be unpacked to read one record."""


def seal(
    path: Path,
    header: OpenHeader,
    root: Path,
    *,
    level: int,
    closed_ns: int,
    end_state: bytes | None = None,
) -> SegmentIndex:
    """Write an open segment as a closed one, durable when this returns. The open file stays.

    Args:
        path: the open segment's file, its records whole.
        header: its header.
        root: the journal's folder.
        level: of zstd.
        closed_ns: the time.
        end_state: the source's state after the last record.

    Raises:
        JournalError: it cannot be read or written; nothing is left under the closed segment's name.
    """
    journal = Journal(header.dataset, header.shard)
    target = root / f"{journal.day(header.begun_ns)}{header.name}{SEGMENT}"
    part = target.with_name(f".{target.name}.part")
    try:
        make_folder(target.parent)
        with path.open("rb", buffering=0) as source, part.open("wb") as file:
            index = _write(source.fileno(), file, header, level, closed_ns, end_state)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
        beside = target.with_name(f"{header.name}{INDEX}")
        part = target.with_name(f".{beside.name}.part")
        with part.open("wb") as file:
            file.write(encode(index))
            file.flush()
            os.fsync(file.fileno())
        part.replace(beside)
        sync_folder(target.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise JournalError(explain(error), path=str(target)) from error
    return index


def _write(
    source: int, file: BinaryIO, header: OpenHeader, level: int, closed_ns: int, end_state: bytes | None
) -> SegmentIndex:
    packed = Packed(file, level)
    metadata = packed.add(read_exactly(source, 0, header.metadata_bytes), 0)
    head = [
        packed.add(piece, forms.count(piece))
        for piece in _pieces(source, header.metadata_bytes, header.head_bytes)
    ]
    frames: list[Frame] = []
    position, times = header.position, Times()
    size = os.fstat(source).st_size - header.records_offset
    for piece in _pieces(source, header.records_offset, size):
        span = forms.span(piece)
        block = packed.add(piece, span.count)
        of_frame = Times.of(span)
        frames.append(
            Frame(block.offset, block.stored_bytes, block.unpacked_bytes, span.count, position, of_frame)
        )
        times |= of_frame
        position += span.count
    return SegmentIndex(
        created_by=header.created_by,
        dataset=header.dataset,
        shard=header.shard,
        epoch=header.epoch,
        position=header.position,
        records=position - header.position,
        head_records=header.head_records,
        begun_ns=header.begun_ns,
        closed_ns=closed_ns,
        unpacked_bytes=header.records_offset + size,
        stored_bytes=packed.size,
        sha256=packed.sha256.hexdigest(),
        times=times,
        before=header.before,
        source_state=header.source_state,
        end_state=end_state,
        metadata=metadata,
        head=head,
        frames=frames,
    )


class Packed:
    """A file of zstd frames being written, and its hash."""

    def __init__(self, file: BinaryIO, level: int) -> None:
        self.size = 0
        self.sha256 = hashlib.sha256()
        self._file = file
        self._zstd = zstandard.ZstdCompressor(level=level, write_checksum=True)

    def add(self, data: bytes, records: int) -> Block:
        """Write a frame; where it is."""
        stored = self._zstd.compress(data)
        self._file.write(stored)
        self.sha256.update(stored)
        block = Block(self.size, len(stored), len(data), records)
        self.size += len(stored)
        return block


def _pieces(file: int, begin: int, size: int) -> Iterator[bytes]:
    """So many bytes of whole records, in pieces of whole records of at most `FRAME_BYTES`."""
    at, end = begin, begin + size
    while at < end:
        data = read_exactly(file, at, min(FRAME_BYTES, end - at))
        whole = frame(np.frombuffer(data, np.uint8), 0, len(data)).end
        if whole == 0:
            raise JournalError(f"no whole record at byte {at} of an open segment")
        yield data if whole == len(data) else data[:whole]
        at += whole
