"""The real sample files, read by the plainest means: no reader of the project stands between."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import zstandard

from depthcast.book.types import Level
from depthcast.dbn.layout import MBO

ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, slots=True)
class KnownBook:
    """A final book on which independent reconstructions agree: levels best first."""

    bids: list[Level]
    asks: list[Level]


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
        [Level(*level) for level in book["bids"]],
        [Level(*level) for level in book["asks"]],
    )


def lobster_truth(path: Path) -> npt.NDArray[np.int64]:
    """LOBSTER's own book: a row is (rec_idx, px and sz of 10 bid levels, px and sz of 10 ask levels)."""
    with path.open("rb") as packed:
        text = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True).read().decode()
    rows = [[int(cell) for cell in line.split(",")] for line in text.splitlines()[1:]]
    return np.array(rows, dtype=np.int64)[:, [0, *range(3, 43)]]
