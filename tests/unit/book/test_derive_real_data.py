"""Derived schemas of real data: both derivers agree, and the levels are those that are known true."""

from pathlib import Path

import numpy as np

from depthcast.book.derive import SCHEMAS, DeriverSet
from depthcast.book.engine import Engine
from depthcast.book.reference_derive import ReferenceDeriver
from depthcast.dbn.layout import MBO_SIZE, UNDEF_PRICE, Flags
from tests.support.derived import derived, records
from tests.support.samples import lobster_truth
from tests.support.samples import records as sample

CLX5 = "CLX5_mbo.dbn"
ESM4 = "esm4-20240508.mbo.dbn.zst"
LOBSTER = "lobster_aapl10_first999_mbo.dbn"
TRUTH = "lobster_aapl10_first999_truth.csv.zst"


def both(*pieces: bytes) -> None:
    """The derivers agree on these pieces, in all schemas."""
    expected = derived(ReferenceDeriver(SCHEMAS), *pieces)
    found = derived(DeriverSet(SCHEMAS), *pieces)
    for schema in SCHEMAS:
        assert found[schema] == expected[schema], schema
    assert len(found["mbp-10"]) > 0


def test_both_derivers_agree_at_nasdaq(data_dir: Path) -> None:
    both(sample(data_dir / LOBSTER).tobytes())


def test_both_derivers_agree_on_a_file_that_begins_with_a_snapshot(data_dir: Path) -> None:
    both(sample(data_dir / ESM4).tobytes())


def test_both_derivers_agree_on_a_file_that_begins_in_the_middle_of_a_day(data_dir: Path) -> None:
    both(sample(data_dir / CLX5)[:2_500].tobytes())


def test_both_derivers_agree_over_the_close_and_in_the_crossed_pre_open(data_dir: Path) -> None:
    raw = sample(data_dir / CLX5).tobytes()
    cut = len(raw) - 2_500 * MBO_SIZE
    engine = Engine()
    engine.apply(raw[:cut])
    both(engine.snapshot(), raw[cut:])


def test_the_levels_of_mbp_10_are_those_of_the_engine_at_every_event_end(data_dir: Path) -> None:
    raw = sample(data_dir / CLX5)[:6_000]
    deriver, engine = DeriverSet(["mbp-10"]), Engine()
    levels = None
    for record in raw:
        out = records("mbp-10", deriver.apply(record.tobytes())["mbp-10"])
        levels = out[-1]["levels"] if len(out) else levels
        engine.apply(record.tobytes())
        if not record["flags"] & Flags.LAST or levels is None:
            continue
        depth = engine.depth(int(record["instrument_id"]))
        bids = [(level["bid_px"], level["bid_sz"], level["bid_ct"]) for level in levels]
        asks = [(level["ask_px"], level["ask_sz"], level["ask_ct"]) for level in levels]
        assert [level for level in bids if level[0] != UNDEF_PRICE] == depth.bids
        assert [level for level in asks if level[0] != UNDEF_PRICE] == depth.asks


def test_mbp_10_of_the_lobster_sample_equals_its_truth_at_every_row(data_dir: Path) -> None:
    raw = sample(data_dir / LOBSTER).tobytes()
    truth = {int(row[0]): row[1:].reshape(2, 10, 2) for row in lobster_truth(data_dir / TRUTH)}
    deriver = DeriverSet(["mbp-10"])
    levels = np.zeros(10, SCHEMAS["mbp-10"].dtype["levels"].base)
    rows = 0
    for number in range(len(raw) // MBO_SIZE):
        out = records("mbp-10", deriver.apply(raw[number * MBO_SIZE : (number + 1) * MBO_SIZE])["mbp-10"])
        levels = out[-1]["levels"] if len(out) else levels
        if number in truth:
            shown = [[levels[f"{side}_px"], levels[f"{side}_sz"]] for side in ("bid", "ask")]
            assert (np.swapaxes(np.array(shown, np.int64), 1, 2) == truth[number]).all(), number
            rows += 1
    assert rows == len(truth) == 999


def test_trades_bars_and_tops_of_a_whole_file_agree_with_each_other(data_dir: Path) -> None:
    raw = sample(data_dir / CLX5)
    out = {name: records(name, found) for name, found in derived(DeriverSet(SCHEMAS), raw.tobytes()).items()}
    sales = raw[raw["action"] == b"T"]
    assert len(sales) == len(out["trades"]) == len(out["tbbo"]) == 1_599
    for name in ("ts_event", "ts_recv", "price", "size", "side", "flags", "sequence", "ts_in_delta"):
        assert (out["trades"][name] == sales[name]).all(), name
    for schema in ("ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "ohlcv-1d"):
        assert out[schema]["volume"].sum() == sales["size"].sum()
    seconds = sales["ts_recv"] // 1_000_000_000
    for bar in out["ohlcv-1s"]:
        prices = sales["price"][seconds == bar["ts_event"] // 1_000_000_000]
        assert (bar["open"], bar["close"]) == (prices[0], prices[-1])
        assert (bar["high"], bar["low"]) == (prices.max(), prices.min())
    for schema, step in (("bbo-1s", 1_000_000_000), ("bbo-1m", 60_000_000_000)):
        ends = -(-out["mbp-1"]["ts_recv"].astype(np.int64) // step) * step
        last = out["mbp-1"][np.append(ends[1:] != ends[:-1], True)]
        assert (out[schema]["ts_recv"] == np.unique(ends)).all()
        assert (out[schema]["levels"] == last["levels"]).all()
        assert (out[schema]["sequence"] == last["sequence"]).all()
