"""Real files give exactly the books that are known to be right, on every engine."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest

from depthcast.dbn.layout import Flags
from tests.support.engines import AnyEngine
from tests.support.samples import KnownBook, known_book, lobster_truth, records

CLX5 = 432669
ESM4 = 5602
AAPL = 1


def full_book(engine: AnyEngine, instrument_id: int) -> KnownBook:
    depth = engine.depth(instrument_id, levels=0)
    return KnownBook(depth.bids, depth.asks)


def event_ends(mbo: npt.NDArray[np.void]) -> npt.NDArray[np.intp]:
    """Positions just after each record with F_LAST."""
    return np.flatnonzero(mbo["flags"] & Flags.LAST) + 1


def test_the_oil_future_ends_in_its_known_book(engine_class: type[AnyEngine], data_dir: Path) -> None:
    engine = engine_class()
    assert engine.apply(records(data_dir / "CLX5_mbo.dbn")) == 38_212
    assert full_book(engine, CLX5) == known_book(data_dir / "clx5_final_book.json")
    status = engine.status(CLX5)
    assert (status.orders, status.levels) == (147, 61 + 52)
    assert not status.complete, "the file begins mid-session, without R and without a snapshot"
    assert not status.suspect
    assert status.version == (1758751199999707295, status.sequence)


def test_the_oil_future_refers_to_orders_from_before_its_data(
    engine_class: type[AnyEngine], data_dir: Path
) -> None:
    engine = engine_class()
    engine.apply(records(data_dir / "CLX5_mbo.dbn"))
    assert engine.counters["unknown_cancels"] == 1_224
    assert engine.counters["unknown_modifies"] == 216


def test_the_oil_future_is_crossed_only_in_pre_open(engine_class: type[AnyEngine], data_dir: Path) -> None:
    mbo = records(data_dir / "CLX5_mbo.dbn")
    engine = engine_class()
    crossed_at = []
    start = 0
    for end in event_ends(mbo).tolist():
        engine.apply(mbo[start:end])
        start = end
        if engine.status(CLX5).top == "crossed":
            crossed_at.append(int(mbo["ts_recv"][end - 1]))
    pre_open = int(datetime(2025, 9, 24, 21, 47, 19, tzinfo=UTC).timestamp()) * 1_000_000_000
    assert len(crossed_at) == 172
    assert crossed_at[0] >= pre_open


def test_the_oil_future_has_icebergs_that_lose_priority_by_refill_alone(
    engine_class: type[AnyEngine], data_dir: Path
) -> None:
    mbo = records(data_dir / "CLX5_mbo.dbn")
    engine = engine_class()
    decided = start = 0
    for index in np.flatnonzero(mbo["action"] == b"M").tolist():
        engine.apply(mbo[start:index])
        start = index + 1
        record = mbo[index]
        refills = engine.counters["refills"]
        before = known_order(engine, int(record["order_id"]))
        engine.apply(mbo[index:start])
        if engine.counters["refills"] > refills:
            assert before is not None
            kept = (before[0], before[1]) == (record["side"].decode(), record["price"])
            decided += kept and record["size"] <= before[2]
    assert engine.counters["refills"] == 31
    assert decided == 7


def known_order(engine: AnyEngine, order_id: int) -> tuple[str, int, int] | None:
    """Side, price and size of a resting order."""
    try:
        place = engine.queue_position(order_id, CLX5)
    except LookupError:
        return None
    return place.side, place.price, place.size


@pytest.mark.parametrize("name", ["esm4-20240508.mbo.dbn.zst", "esm4-20240508.v1.mbo.dbn.zst"])
def test_the_index_future_ends_in_its_known_book(
    engine_class: type[AnyEngine], data_dir: Path, name: str
) -> None:
    engine = engine_class()
    assert engine.apply(records(data_dir / name)) == 13_796
    assert full_book(engine, ESM4) == known_book(data_dir / "esm4-20240508_final_book.json")
    status = engine.status(ESM4)
    assert status.complete
    assert not status.suspect


def test_the_index_future_keeps_the_priority_of_its_snapshot(
    engine_class: type[AnyEngine], data_dir: Path
) -> None:
    mbo = records(data_dir / "esm4-20240508.mbo.dbn.zst")
    head = mbo[(mbo["flags"] & Flags.SNAPSHOT) != 0]
    engine = engine_class()
    engine.apply(head)
    listed: dict[tuple[Literal["B", "A"], int], list[int]] = {}
    for record in head[1:]:
        side: Literal["B", "A"] = "B" if record["side"] == b"B" else "A"
        level = (side, int(record["price"]))
        listed.setdefault(level, []).append(int(record["order_id"]))
    assert len(listed) == 1_547
    for (side, price), order_ids in listed.items():
        assert [order.order_id for order in engine.orders(ESM4, side, price)] == order_ids


def test_the_share_equals_lobsters_own_book_at_every_message(
    engine_class: type[AnyEngine], data_dir: Path
) -> None:
    mbo = records(data_dir / "lobster_aapl10_first999_mbo.dbn")
    truth = lobster_truth(data_dir / "lobster_aapl10_first999_truth.csv.zst")
    assert len(truth) == 999
    engine = engine_class()
    start = 0
    for row in truth.tolist():
        end = row[0] + 1
        engine.apply(mbo[start:end])
        start = end
        depth = engine.depth(AAPL, levels=10)
        ours = [value for level in [*depth.bids, *depth.asks] for value in (level.price, level.size)]
        assert ours == row[1:], f"after record {row[0]}"
    assert start == len(mbo)
