"""The record layouts, numpy's and C's, against databento_dbn: sizes, offsets, constants."""

import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import databento_dbn
import numpy as np
import pytest

from depthcast.dbn import layout

APP = Path(layout.__file__).parents[2]

# databento_dbn's declarations of its enumerations and levels are not what it takes: leave them unchecked.
dbn: Any = databento_dbn

# Every byte of a field differs from its neighbours', so one read at a wrong offset or width cannot be right.
HEADER: dict[str, Any] = {
    "publisher_id": 0x0201,
    "instrument_id": 0x06050403,
    "ts_event": 0x0E0D0C0B0A090807,
}
PRICE, SIZE, TS_RECV = 0x1817161514131211, 0x1C1B1A19, 0x2827262524232221
TRADE: dict[str, Any] = {
    **HEADER,
    "price": PRICE,
    "size": SIZE,
    "side": dbn.Side.ASK,
    "flags": 0x82,
    "ts_recv": TS_RECV,
    "sequence": 0x34333231,
}
DEEP: dict[str, Any] = {
    **TRADE,
    "action": dbn.Action.MODIFY,
    "depth": 0x05,
    "ts_in_delta": -0x0B0C0D0E,
}


def pair(n: int) -> Any:
    return dbn.BidAskPair(
        bid_px=-0x4142434445464700 - n,
        ask_px=0x5152535455565700 + n,
        bid_sz=0x61626300 + n,
        ask_sz=0x65666700 + n,
        bid_ct=0x71727300 + n,
        ask_ct=0x75767700 + n,
    )


RECORDS: dict[str, tuple[np.dtype[np.void], Any]] = {
    "mbo": (
        layout.MBO,
        dbn.MBOMsg(
            **TRADE,
            order_id=0xF7F6F5F4F3F2F1F0,
            action=dbn.Action.CANCEL,
            channel_id=0x3A,
            ts_in_delta=-0x0B0C0D0E,
        ),
    ),
    "status": (
        layout.STATUS,
        dbn.StatusMsg(
            **HEADER,
            ts_recv=TS_RECV,
            action=dbn.StatusAction.HALT,
            reason=dbn.StatusReason.LULD_PAUSE,
            trading_event=dbn.TradingEvent.NO_CANCEL,
            is_trading=dbn.TriState.YES,
            is_quoting=dbn.TriState.NO,
            is_short_sell_restricted=dbn.TriState.NOT_AVAILABLE,
        ),
    ),
    "trade": (layout.TRADE, dbn.TradeMsg(**DEEP)),
    "mbp-1": (layout.MBP_1, dbn.MBP1Msg(**DEEP, levels=pair(0))),
    "mbp-10": (layout.MBP_10, dbn.MBP10Msg(**DEEP, levels=[pair(n) for n in range(10)])),
    "bbo": (layout.BBO, dbn.BBOMsg(layout.RType.BBO_1S, **TRADE, levels=pair(3))),
    "ohlcv": (
        layout.OHLCV,
        dbn.OHLCVMsg(
            layout.RType.OHLCV_1M,
            **HEADER,
            open=0x1112131415161718,
            high=0x2122232425262728,
            low=-0x3132333435363738,
            close=0x4142434445464748,
            volume=0xF1F2F3F4F5F6F7F8,
        ),
    ),
    "definition": (
        layout.DEFINITION,
        dbn.InstrumentDefMsg(
            **HEADER,
            ts_recv=TS_RECV,
            min_price_increment=PRICE,
            display_factor=0x3132333435363738,
            expiration=0x4142434445464748,
            unit_of_measure_qty=0x5152535455565758,
            raw_instrument_id=0x6162636465666768,
            currency="EUR",
            raw_symbol="A symbol of many letters",
            exchange="XABC",
            asset="ROOT",
            security_type="MLEG",
            instrument_class=dbn.InstrumentClass.FUTURE_SPREAD,
            match_algorithm=dbn.MatchAlgorithm.PRO_RATA,
            security_update_action=dbn.SecurityUpdateAction.MODIFY,
        ),
    ),
    "symbol mapping": (
        layout.SYMBOL_MAPPING,
        dbn.SymbolMappingMsg(
            **HEADER,
            stype_in=dbn.SType.PARENT,
            stype_in_symbol="ROOT.FUT",
            stype_out=dbn.SType.RAW_SYMBOL,
            stype_out_symbol="ROOTZ5",
            start_ts=0x7172737475767778,
            end_ts=0x8182838485868788,
        ),
    ),
    "error": (
        layout.ERROR,
        dbn.ErrorMsg(
            ts_event=HEADER["ts_event"], err="wrong", code=dbn.ErrorCode.INTERNAL_ERROR, is_last=True
        ),
    ),
    "system": (
        layout.SYSTEM,
        dbn.SystemMsg(ts_event=HEADER["ts_event"], msg="right", code=dbn.SystemCode.REPLAY_COMPLETED),
    ),
}

C_STRUCTS: dict[str, np.dtype[np.void]] = {
    "RecordHeader": layout.HEADER,
    "MboRecord": layout.MBO,
    "StatusRecord": layout.STATUS,
    "BidAskPair": layout.BID_ASK_PAIR,
    "TradeRecord": layout.TRADE,
    "Mbp1Record": layout.MBP_1,
    "Mbp10Record": layout.MBP_10,
    "BboRecord": layout.BBO,
    "OhlcvRecord": layout.OHLCV,
}


def letter(value: object) -> bytes:
    """A field of one letter as its byte; databento_dbn gives three-state ones as True, False, None."""
    three_state = {True: b"Y", False: b"N", None: b"~"}
    return three_state[value] if value is None or isinstance(value, bool) else str(value).encode()


def offsets(dtype: np.dtype[np.void]) -> dict[str, int]:
    assert dtype.fields is not None
    return {name: field[1] for name, field in dtype.fields.items()}


@pytest.mark.parametrize("name", RECORDS)
def test_dtype_reads_what_databento_wrote(name: str) -> None:
    dtype, record = RECORDS[name]
    data = bytes(record)
    assert len(data) == dtype.itemsize == type(record).size_hint
    assert data[0] * layout.LENGTH_WORD == dtype.itemsize
    row = np.frombuffer(data, dtype)[0]
    assert row["rtype"] == int(record.rtype)
    for field in offsets(dtype):
        if field in ("length", "rtype", "levels") or field.startswith("_"):
            continue
        ours, theirs = row[field].item(), getattr(record, field)
        assert ours == (int(theirs) if isinstance(ours, int) else letter(theirs)), field
    if "levels" in offsets(dtype):
        names = offsets(layout.BID_ASK_PAIR)
        expected = [tuple(getattr(level, name) for name in names) for level in record.levels]
        assert row["levels"].tolist() == expected


def test_every_ohlcv_and_bbo_rtype_is_databentos() -> None:
    theirs = {int(rtype) for rtype in databento_dbn.RType.variants()}
    ours = {int(rtype) for rtype in layout.RType}
    assert theirs - ours <= {0x11}  # an OHLCV type that was given up
    assert ours <= theirs


def test_constants_are_databentos() -> None:
    assert layout.UNDEF_PRICE == databento_dbn.UNDEF_PRICE
    assert layout.UNDEF_ORDER_SIZE == databento_dbn.UNDEF_ORDER_SIZE
    assert layout.UNDEF_TIMESTAMP == databento_dbn.UNDEF_TIMESTAMP
    assert layout.PRICE_SCALE == databento_dbn.FIXED_PRICE_SCALE
    assert layout.HEADER.itemsize == layout.HEADER_SIZE
    assert layout.MBO.itemsize == layout.MBO_SIZE
    for flag in layout.Flags:
        assert flag == getattr(databento_dbn, f"F_{flag.name}")


def probe_source() -> str:
    """A Cython module that says what the compiler makes of each struct and constant of layout.pxd."""
    lines = ["# cython: language_level=3", "from depthcast.dbn cimport layout", "SIZES = {}", "OFFSETS = {}"]
    for struct, dtype in C_STRUCTS.items():
        lines.append(f"SIZES['{struct}'] = sizeof(layout.{struct})")
        trade = "trade." if struct.startswith("Mbp") else ""
        for field in offsets(dtype):
            path = field if field == "levels" else trade + field
            lines.append(f"OFFSETS['{struct}', '{field}'] = <size_t>&(<layout.{struct}*>0).{path}")
    constants = [*(f"F_{flag.name}" for flag in layout.Flags if flag.name != "PUBLISHER_SPECIFIC")]
    constants += [f"RTYPE_{name}" for name in RTYPES] + ["UNDEF_PRICE", "UNDEF_TIMESTAMP"]
    lines.append("CONSTANTS = {" + ", ".join(f"'{name}': layout.{name}" for name in constants) + "}")
    return "\n".join(lines) + "\n"


RTYPES = {
    "TRADE": layout.RType.MBP_0,
    "MBP1": layout.RType.MBP_1,
    "MBP10": layout.RType.MBP_10,
    "STATUS": layout.RType.STATUS,
    "OHLCV_1S": layout.RType.OHLCV_1S,
    "OHLCV_1M": layout.RType.OHLCV_1M,
    "OHLCV_1H": layout.RType.OHLCV_1H,
    "OHLCV_1D": layout.RType.OHLCV_1D,
    "MBO": layout.RType.MBO,
    "BBO_1S": layout.RType.BBO_1S,
    "BBO_1M": layout.RType.BBO_1M,
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The probe, translated and compiled against layout.pxd as the kernel is."""
    folder = tmp_path_factory.mktemp("probe")
    source = folder / "layout_probe.pyx"
    source.write_text(probe_source())
    target = source.with_suffix(".so")
    run(sys.executable, "-m", "cython", "-3", "-I", str(APP), str(source))
    compiler = os.environ.get("CC", "gcc")
    include = sysconfig.get_path("include")
    run(compiler, "-shared", "-fPIC", "-O0", "-I", include, str(source.with_suffix(".c")), "-o", str(target))
    spec = importlib.util.spec_from_file_location("layout_probe", target)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_c_structs_are_the_dtypes(compiled: Any) -> None:
    assert {struct: dtype.itemsize for struct, dtype in C_STRUCTS.items()} == compiled.SIZES
    expected = {
        (struct, field): offset
        for struct, dtype in C_STRUCTS.items()
        for field, offset in offsets(dtype).items()
    }
    assert expected == compiled.OFFSETS


def test_c_constants_are_pythons(compiled: Any) -> None:
    expected = {f"F_{flag.name}": int(flag) for flag in layout.Flags if flag.name != "PUBLISHER_SPECIFIC"}
    expected |= {f"RTYPE_{name}": int(rtype) for name, rtype in RTYPES.items()}
    expected |= {"UNDEF_PRICE": layout.UNDEF_PRICE, "UNDEF_TIMESTAMP": layout.UNDEF_TIMESTAMP}
    assert expected == compiled.CONSTANTS
