"""What is measured: streams of MBO records, some applied before the clock starts, the rest against it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from depthcast.dbn import read_dbn
from depthcast.dbn.layout import MBO, MBO_SIZE, Flags, RType

ROOT: Final = Path(__file__).resolve().parent.parent
CHUNK_BYTES: Final = 65_520
TICK: Final = 10_000_000
MID: Final = 65_000_000_000
NS_BETWEEN_RECORDS: Final = 1_000
FIRST_ID: Final = 6_400_000_000_000
START_NS: Final = 1_758_700_000_000_000_000

Records = NDArray[np.void]
Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class Workload:
    """Records in two parts: ``setup`` makes the book, applying ``timed`` is what is measured."""

    name: str
    about: str
    setup: Records
    timed: Records

    def first(self, count: int) -> "Workload":
        """The same workload with at most ``count`` timed records, for what is too slow for all of them."""
        return Workload(self.name, self.about, self.setup, self.timed[:count])


def chunks(records: Records) -> list[memoryview]:
    """The records' bytes in pieces of 65,520 bytes (1,170 records), as a socket would hand them over."""
    data = memoryview(records.tobytes())
    return [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]


def clx5() -> Workload | None:
    """Two and a half hours of WTI crude futures: a real, small book. None where the file is absent."""
    folder = Path(os.environ.get("DEPTHCAST_DATA") or ROOT.parent / "shared" / "data")
    path = folder / "CLX5_mbo.dbn"
    if not path.is_file():
        return None
    records = read_dbn(path).records()
    return Workload("clx5", "WTI crude, real data, a book of about 150 orders", records[:0], records)


def simulated(records: int = 200_000) -> Workload:
    """One instrument of the simulated exchange."""
    program = Path(sys.executable).with_name("depthcast")
    with TemporaryDirectory(prefix="depthcast-bench-") as folder:
        path = Path(folder) / "simulated.dbn"
        command = [str(program), "simulate", "-o", str(path), "--records", str(records), "--instruments", "1"]
        subprocess.run(command, check=True, capture_output=True)
        found = read_dbn(path).records().copy()
    return Workload("simulated", "a simulated instrument", found[:0], found)


def deep(orders: int = 183_000, timed: int = 2_000_000, seed: int = 7) -> Workload:
    """About ``orders`` resting orders on 4,000 price levels, then adds, cancels and modifies of random ones.

    Orders live in places; each visit goes to a random place. An empty one is filled by an add; a full one is
    cancelled (two times of three) or modified (half of those to a new price). So the number of live orders
    stays where it began, and no order is likelier to be touched than another.
    """
    random = np.random.default_rng(seed)
    places = orders * 5 // 3
    filled = random.permutation(places)[:orders]
    state = _Places(places, random)
    setup = state.add(filled)
    visits = random.integers(0, places, timed)
    return Workload("deep", f"{orders:,} live orders, touched at random", setup, state.visit(visits))


class _Places:
    """The places of `deep`: what each holds, and the records that visits to them make."""

    def __init__(self, places: int, random: Random) -> None:
        self.random = random
        self.written = 0
        self.live = np.zeros(places, bool)
        self.ids = np.zeros(places, np.uint64)
        self.sides = np.where(random.random(places) < 0.5, b"B", b"A").astype("S1")
        self.prices = np.zeros(places, np.int64)
        self.sizes = np.zeros(places, np.uint32)

    def add(self, places: NDArray[np.int64]) -> Records:
        """Fill empty ``places``: the adds, in that order."""
        return self._ordered(np.arange(len(places)), places, np.zeros(len(places), np.int64))

    def visit(self, places: NDArray[np.int64]) -> Records:
        """The records of visits to ``places``, in that order."""
        order = np.argsort(places, kind="stable")
        ordered = places[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        lengths = np.diff(np.r_[starts, len(ordered)])
        turns = np.empty(len(places), np.int64)
        turns[order] = np.arange(len(ordered)) - np.repeat(starts, lengths)
        return self._ordered(np.argsort(turns, kind="stable"), places, turns)

    def _ordered(
        self, by_turn: NDArray[np.int64], places: NDArray[np.int64], turns: NDArray[np.int64]
    ) -> Records:
        """All first visits of places at once, then all second ones, and so on: each state is known."""
        records = blank(len(places), self.written)
        self.written += len(places)
        bounds = np.flatnonzero(np.r_[True, np.diff(turns[by_turn]) > 0])
        for begin, end in zip(bounds, [*bounds[1:], len(by_turn)], strict=True):
            at = by_turn[begin:end]
            self._turn(records, at, places[at])
        return records

    def _turn(self, records: Records, at: NDArray[np.int64], places: NDArray[np.int64]) -> None:
        count = len(at)
        live = self.live[places]
        draw = self.random.random(count)
        modify = live & (draw < 1 / 3)
        cancel = live & ~modify
        add = ~live
        moved = add | (modify & (draw < 1 / 6))
        ticks = self.random.integers(1, 2_001, count) * TICK
        price = np.where(self.sides[places] == b"B", MID - ticks, MID + ticks)
        self.prices[places] = np.where(moved, price, self.prices[places])
        self.sizes[places] = np.where(
            cancel, self.sizes[places], self.random.integers(1, 100, count, np.uint32)
        )
        self.ids[places] = np.where(add, records["order_id"][at], self.ids[places])
        self.live[places] = ~cancel
        records["order_id"][at] = self.ids[places]
        records["price"][at] = self.prices[places]
        records["size"][at] = self.sizes[places]
        records["side"][at] = self.sides[places]
        records["action"][at] = np.select([add, cancel], [b"A", b"C"], b"M")


def blank(count: int, first: int) -> Records:
    """The ``first``-th and later records of a stream of events of one record, a microsecond apart."""
    numbers = np.arange(first, first + count, dtype=np.uint64)
    records = np.zeros(count, MBO)
    records["length"] = MBO_SIZE // 4
    records["rtype"] = RType.MBO
    records["publisher_id"] = 1
    records["instrument_id"] = 100
    records["flags"] = Flags.LAST
    records["order_id"] = numbers + np.uint64(FIRST_ID)
    records["sequence"] = numbers
    records["ts_event"] = numbers * np.uint64(NS_BETWEEN_RECORDS) + np.uint64(START_NS)
    records["ts_recv"] = records["ts_event"]
    return records
