"""Feeds the DBN reader bytes: damaged files, plain and zstd, in reads and chunks of any size.

Of every input: only `DBNError` comes out, all that is handed out is whole records, and both are what a plain
second opinion says. Where zstd data is broken, which leaves that opinion some latitude, the same comes of
reading all bytes at once. What decompresses to more than 128 KiB is passed over: it takes too long to check.
Run: ``python fuzz/fuzz_dbn_reader.py -atheris_runs=100000`` (see driver.py).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.driver import instrumented, run

with instrumented():
    import depthcast.dbn  # noqa: F401 - loaded here to be watched

from tests.support.dbn_files import (
    ZSTD_MAGIC,
    check_reader,
    compress,
    decompress,
    head,
    is_zstd,
    mixed_records,
    read,
    skippable,
)
from tests.support.records import add

_HEADS = {version: head(version) for version in (1, 2, 3)}
_CHUNK_SIZES = (1020, 1500, 4096, 1 << 14)
_MOST_BYTES = 1 << 17
_SHORT_READS = 24
_LONG_READ = 256


def one_input(data: bytes) -> None:
    """The first bytes say what the rest is and how it is read."""
    kind, read_size, chunk = (*data[:3], 0, 0, 0)[:3]
    rest = data[3:]
    begin = _HEADS[1 + (kind >> 2) % 3]
    match kind % 4:
        case 0:
            stored = rest
        case 1:
            stored = begin + rest
        case 2:
            cut = len(rest) * (kind >> 4) // 16
            stored = compress([begin + rest[:cut], rest[cut:]], checksum=bool(chunk & 0x80))
        case _:
            stored = compress([begin]) + rest
    if kind % 4 in {0, 3} and is_zstd(stored) and len(decompress(stored).data) > _MOST_BYTES:
        return
    sizes = [read_size or 1 << 20, 1 + chunk] * (_SHORT_READS // 2) + [_LONG_READ]
    found = check_reader(stored, sizes, _CHUNK_SIZES[chunk % len(_CHUNK_SIZES)])
    if is_zstd(stored) and found.error_offset is not None:
        assert read(stored) == found


def seeds() -> list[bytes]:
    """Small good files of each kind."""
    records = b"".join(mixed_records())
    short = b"".join(record for record in mixed_records() if len(record) <= 80)
    orders = b"".join(add(n, "AB"[n % 2], 100 + n, n) for n in range(1, 12))
    found = []
    for body in (records, short, orders, b""):
        for begin in _HEADS.values():
            file = begin + body
            packed = [compress([file]), compress([file[:300], file[300:]], checksum=False, sized=False)]
            found += [b"\0\0\x02" + stored for stored in (file, *packed, skippable(b"?") + packed[0])]
        found += [bytes([kind, 7, 1]) + body for kind in (1, 5, 9, 2, 0x86)]
        found.append(b"\x03\0\0" + skippable(b"index") + compress([body]))
    found.append(b"\x03\0\0" + raw_blocks(orders[:56], orders[56:112]))
    return found


def raw_blocks(*pieces: bytes) -> bytes:
    """A zstd frame that says its size, of blocks that are not compressed, and an empty one at the end."""
    blocks = [(len(piece) << 3).to_bytes(3, "little") + piece for piece in pieces]
    return ZSTD_MAGIC + b"\x20" + bytes([sum(map(len, pieces))]) + b"".join(blocks) + b"\1\0\0"


if __name__ == "__main__":
    run(one_input, seeds())
