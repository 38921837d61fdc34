"""The real sample files, read by the plainest means: no reader of the project stands between them and a test."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import zstandard

from depthcast.dbn.layout import MBO

ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, slots=True)
class KnownBook:
    """A final book on which independent reconstructions agree: (price, size, count), best first."""

    bids: list[tuple[int, int, int]]
    asks: list[tuple[int, int, int]]


def records(path: Path) -> npt.NDArray[np.void]:
    """The MBO records of a DBN file of any version, plain or zstd (of several frames too)."""
    data = path.read_bytes()
    if data.startswith(ZSTD_MAGIC):
        data = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True).read()
    if data[:3] != b"DBN":
        raise ValueError(f"{path} is not a DBN file")
    metadata_size = 8 + int.from_bytes(data[4:8], "little")
    return np.frombuffer(data, MBO, offset=metadata_size)


def known_book(path: Path) -> KnownBook:
    """A known final book."""
    book = json.loads(path.read_text())
    return KnownBook(
        [tuple(level) for level in book["bids"]],
        [tuple(level) for level in book["asks"]],
    )


def lobster_truth(path: Path) -> npt.NDArray[np.int64]:
    """LOBSTER's own book: a row is (rec_idx, bid px, bid sz, ... 10 levels, ask px, ask sz, ... 10 levels)."""
    with path.open("rb") as packed:
        text = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True).read().decode()
    rows = [[int(cell) for cell in line.split(",")] for line in text.splitlines()[1:]]
    return np.array(rows, dtype=np.int64)[:, [0, *range(3, 43)]]
