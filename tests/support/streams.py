"""Random feeds by the thousand records: reproducible from a seed, quick to make, mean to engines."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from depthcast.dbn.layout import MBO, MBO_SIZE, UNDEF_PRICE, RType
from tests.support.domains import Domain
from tests.support.records import BAD_TS_RECV, LAST, MAYBE_BAD, MBP, SNAPSHOT, TOB, other, status

Chances = dict[Any, float]

ACTIONS: Final[Chances] = {"A": 30, "C": 18, "M": 26, "F": 14, "T": 5, "R": 0.25, "N": 2, "X": 1}
DENSE_ACTIONS: Final[Chances] = ACTIONS | {"A": 60, "R": 0.02}
FLAGS: Final[Chances] = {
    LAST: 60,
    0: 36,
    TOB: 0.2,
    TOB | LAST: 0.4,
    MBP | LAST: 0.2,
    MAYBE_BAD: 0.2,
    MAYBE_BAD | LAST: 0.2,
    SNAPSHOT: 0.5,
    SNAPSHOT | LAST: 0.3,
    SNAPSHOT | BAD_TS_RECV | MAYBE_BAD: 0.2,
    0xFF: 0.02,
    BAD_TS_RECV | LAST: 1,
    0x03 | LAST: 1,
}
DENSE_FLAGS: Final[Chances] = {
    flags: chance if chance >= 1 else chance / 30 for flags, chance in FLAGS.items()
}


def feed(random: np.random.Generator, domain: Domain, count: int) -> list[bytes]:
    """``count`` MBO records, one bytes object each, with some Status and other records between them."""
    records = _mbo_records(random, domain, count)
    _trades(random, records)
    _snapshot_runs(random, records, 0.0002 if domain.dense else 0.004)
    data = records.tobytes()
    whole = [data[start : start + MBO_SIZE] for start in range(0, len(data), MBO_SIZE)]
    for index in np.flatnonzero(random.random(count) < 0.1).tolist():
        whole[index] = bytes([16]) + whole[index][1:] + random.bytes(8)
    for index in np.flatnonzero(random.random(count) < 0.01).tolist():
        whole[index] += _not_mbo(random, domain)
    return whole


def pick(random: np.random.Generator, chances: Chances, count: int) -> NDArray[Any]:
    """Values drawn by their chances."""
    weights = np.array(list(chances.values()), dtype=float)
    return np.array(list(chances))[random.choice(len(chances), count, p=weights / weights.sum())]


def _mbo_records(random: np.random.Generator, domain: Domain, count: int) -> NDArray[np.void]:
    records = np.zeros(count, MBO)
    places = random.integers(0, len(domain.order_ids), count)
    homes = [domain.home(order_id) for order_id in domain.order_ids]
    home_sides = np.array([side for side, _ in homes], dtype="S1")
    home_prices = np.array([price for _, price in homes], dtype=np.int64)
    prices = np.array([*domain.prices, UNDEF_PRICE], dtype=np.int64)
    away = random.random(count) < 0.15
    astray = random.random(count) < 0.08
    sizes = np.array([*domain.sizes, *domain.sizes, *domain.sizes, 0], dtype=np.uint32)

    records["length"] = MBO_SIZE // 4
    records["rtype"] = RType.MBO
    records["publisher_id"] = random.choice(np.array(domain.publishers, dtype=np.uint16), count)
    records["instrument_id"] = random.choice(np.array(domain.instruments, dtype=np.uint32), count)
    records["order_id"] = np.array(domain.order_ids, dtype=np.uint64)[places]
    records["side"] = np.where(
        astray, pick(random, {"A": 4, "B": 4, "N": 1, "?": 1}, count), home_sides[places]
    )
    records["price"] = np.where(away, random.choice(prices, count), home_prices[places])
    records["size"] = random.choice(sizes, count)
    records["action"] = pick(random, DENSE_ACTIONS if domain.dense else ACTIONS, count)
    records["flags"] = pick(random, DENSE_FLAGS if domain.dense else FLAGS, count)
    records["ts_recv"] = 1_000_000 + np.cumsum(random.integers(0, 50, count)) * 1_000
    back = random.random(count) < 0.01
    records["ts_recv"] -= np.where(back, random.integers(0, 1_000_000, count), 0).astype(np.uint64)
    records["ts_event"] = records["ts_recv"] - random.integers(0, 3_000, count).astype(np.uint64)
    records["sequence"] = np.arange(count) // 3
    return records


def _trades(random: np.random.Generator, records: NDArray[np.void]) -> None:
    """Here and there, in place of what was drawn: F, F, then the M or C of that order, in one event."""
    starts = np.flatnonzero(random.random(len(records) - 3) < 0.06)
    for offset, action in ((1, b"F"), (2, None)):
        for field in ("publisher_id", "instrument_id", "order_id", "side", "price"):
            records[field][starts + offset] = records[field][starts]
        if action is not None:
            records["action"][starts + offset] = action
    records["action"][starts] = b"F"
    records["action"][starts + 2] = pick(random, {"M": 3, "C": 1}, len(starts))
    records["flags"][starts] = records["flags"][starts + 1] = 0


def _snapshot_runs(random: np.random.Generator, records: NDArray[np.void], chance: float) -> None:
    """Now and then snapshots of a book, up to 30 records in all, half of them with an R in front.

    Event ends inside the stretch make several snapshots of it, with and without R. Times are few, for ties.
    """
    for start in np.flatnonzero(random.random(len(records)) < chance).tolist():
        run = records[start : start + int(random.integers(1, 31))]
        run["publisher_id"], run["instrument_id"] = run["publisher_id"][0], run["instrument_id"][0]
        run["action"] = pick(random, {"A": 30, "R": 2, "T": 1, "C": 1, "M": 1}, len(run))
        run["flags"] = SNAPSHOT | BAD_TS_RECV
        run["flags"][random.random(len(run)) < 0.1] |= LAST
        run["flags"][random.random(len(run)) < 0.03] |= MBP
        run["ts_event"] = run["ts_event"][0] - random.integers(0, 4, len(run)).astype(np.uint64)
        if random.random() < 0.5:
            run["ts_recv"] = run["ts_recv"][0] + random.integers(0, 2, len(run)).astype(np.uint64)
        if random.random() < 0.5:
            run["action"][0] = b"R"
        if random.random() < 0.7:
            run["flags"][-1] |= LAST


def _not_mbo(random: np.random.Generator, domain: Domain) -> bytes:
    if random.random() < 0.5:
        return status(
            int(random.integers(0, 17)),
            publisher_id=int(random.choice(domain.publishers)),
            instrument_id=int(random.choice(domain.instruments)),
            size=int(random.choice([24, 28, 40, 48])),
        )
    return other(int(random.choice([0, 1, 0x0A, 0x13, 0x17, 0xC3])), int(random.choice([16, 80, 368])))
