"""What the feed of a case plays: a book, or several that differ in how busy they are."""

from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.streaming.inputs import FOLDER, Input, records_start
from benchmarks.streaming.tasks import DATASET
from benchmarks.workloads import Records
from depthcast.dbn import DBNWriter, make_metadata, read_dbn
from depthcast.dbn.layout import MBO

__all__ = ["instruments_of", "several"]

TURNS: Final = (0, 1, 0, 2, 0, 1, 3, 0, 1, 2)
"""Whose record comes next, round and round: of ten, four instruments have 4, 3, 2 and 1."""
BETWEEN_NS: Final = 1_000
LOOKED_AT: Final = 1_000


def several(one: Input, records: int, folder: Path = FOLDER) -> Input:
    """Four instruments, each of which plays ``one`` from its beginning, at its own share of the rate.

    Args:
        one: a file of one instrument that begins with a clear, at least 0.4 times ``records`` long.
        records: of all four together.
        folder: where the file is made, unless it is there.
    """
    count = max(TURNS) + 1
    path = folder / f"{one.name}-{count}-instruments-{records}.dbn"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        mixed = _mixed(read_dbn(one.path).records(), records, count)
        with DBNWriter(path, make_metadata(DATASET, "mbo", int(mixed["ts_event"][0]))) as writer:
            writer.write(mixed.tobytes())
    return Input(f"{one.name} x {count}", f"{one.about}, four times", path, records)


def _mixed(played: Records, records: int, count: int) -> Records:
    turns = np.resize(np.array(TURNS), records)
    mixed = np.zeros(records, MBO)
    for number in range(count):
        mine = np.flatnonzero(turns == number)
        mixed[mine] = played[: len(mine)]
        mixed["instrument_id"][mine] += np.uint32(number)
    mixed["sequence"] = np.arange(records)
    mixed["ts_recv"] = played["ts_recv"][0] + np.arange(records, dtype=np.uint64) * np.uint64(BETWEEN_NS)
    mixed["ts_event"] = mixed["ts_recv"]
    return mixed


def instruments_of(path: Path, count: int) -> list[int]:
    """The first ``count`` instruments that a file's first records name.

    Raises:
        ValueError: there are fewer.
    """
    records = np.fromfile(path, MBO, LOOKED_AT, offset=records_start(path))
    found = list(dict.fromkeys(records["instrument_id"].tolist()))[:count]
    if len(found) < count:
        raise ValueError(f"{path}: {len(found)} instruments in the first {LOOKED_AT:,} records, not {count}")
    return found
