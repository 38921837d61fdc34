"""Control records: byte for byte what databento_dbn writes, and read back."""

from typing import Any

import databento_dbn
import pytest

from depthcast.dbn.layout import UNDEF_TIMESTAMP
from depthcast.errors import ProtocolError
from depthcast.live import control
from depthcast.live.control import Error, ErrorCode, SymbolMapping, System, SystemCode
from depthcast.live.mappings import mapping_records
from tests.support.records import add, status

dbn: Any = databento_dbn
NOW = 1_758_742_200_000_000_000
MAPPING = mapping_records({7: "CLX5"}, {7: "CLX5"}, "raw_symbol", ts_event=NOW)
ADD = add(1, "B", 5, 1)


def theirs(record: Any) -> bytes:
    """A record of databento_dbn's without the room it keeps for ts_out."""
    return bytes(record)[: record.size_hint]


def with_ts_out(record: bytes, ts_out: int) -> bytes:
    return bytes([record[0] + 2]) + record[1:] + ts_out.to_bytes(8, "little")


@pytest.mark.parametrize("code", [code for code in SystemCode if code is not SystemCode.UNSET])
def test_system_records_are_databentos(code: SystemCode) -> None:
    ours = control.system(code, "something", ts_event=NOW)
    official = dbn.SystemMsg(ts_event=NOW, msg="something", code=dbn.SystemCode.from_int(int(code)))
    assert ours == theirs(official)
    assert control.read_control(ours) == System(code, "something", NOW)


@pytest.mark.parametrize("code", [code for code in ErrorCode if code is not ErrorCode.UNSET])
@pytest.mark.parametrize("is_last", [True, False])
def test_error_records_are_databentos(code: ErrorCode, *, is_last: bool) -> None:
    ours = control.error(code, "something else", ts_event=NOW, is_last=is_last)
    official = dbn.ErrorMsg(
        ts_event=NOW, err="something else", is_last=is_last, code=dbn.ErrorCode.from_int(int(code))
    )
    assert ours == theirs(official)
    assert control.read_control(ours) == Error(code, "something else", is_last, NOW)


@pytest.mark.parametrize(("stype", "code"), [(str(each), int(each)) for each in dbn.SType.variants()])
def test_symbol_mappings_are_databentos_in_every_symbology(stype: str, code: int) -> None:
    ours = mapping_records({7: "CLX5"}, {7: "CL.FUT"}, stype, ts_event=NOW)
    official = dbn.SymbolMappingMsg(
        publisher_id=0,
        instrument_id=7,
        ts_event=NOW,
        stype_in=dbn.SType(stype),
        stype_in_symbol="CL.FUT",
        stype_out=dbn.SType.RAW_SYMBOL,
        stype_out_symbol="CLX5",
        start_ts=UNDEF_TIMESTAMP,
        end_ts=UNDEF_TIMESTAMP,
    )
    assert ours == theirs(official)
    assert ours[16] == code
    limits = UNDEF_TIMESTAMP, UNDEF_TIMESTAMP
    assert control.read_control(ours) == SymbolMapping(7, stype, "CL.FUT", "raw_symbol", "CLX5", *limits, NOW)


def test_the_symbologies_and_codes_are_all_there_are() -> None:
    assert [str(each) for each in dbn.SType.variants()] == list(control.STYPES)
    assert {int(each) for each in dbn.SystemCode.variants()} == set(SystemCode)
    assert {int(each) for each in dbn.ErrorCode.variants()} == set(ErrorCode)


def test_heartbeats_and_acknowledgements_say_what_databentos_say() -> None:
    assert control.read_control(control.heartbeat(ts_event=NOW)) == System(0, "Heartbeat", NOW)
    decoder = databento_dbn.DBNDecoder(has_metadata=False)
    decoder.write(control.heartbeat(ts_event=NOW))
    [heartbeat] = decoder.decode()
    assert isinstance(heartbeat, databento_dbn.SystemMsg)
    assert heartbeat.is_heartbeat()
    said = control.read_control(control.acknowledgement(0, "mbo", ts_event=NOW))
    assert said == System(1, "Subscription request 0 for mbo data succeeded", NOW)
    said = control.read_control(control.acknowledgement(None, "mbo", ts_event=NOW))
    assert said == System(1, "Subscription request for mbo data succeeded", NOW)


def test_text_is_cut_between_characters_and_keeps_its_nul() -> None:
    for record, room in (
        (control.system(3, "é" * 200, ts_event=NOW), 302),
        (control.error(6, "é" * 200, ts_event=NOW), 301),
        (control.error(6, "é\0" * 200, ts_event=NOW), 301),
    ):
        assert len(record) == 320
        read = control.read_control(record)
        assert isinstance(read, System | Error)
        assert room - 2 < len(read.msg.encode()) <= room
        assert "�" not in read.msg
        assert record[16 + room] == 0


def test_a_stream_of_them_is_decoded_with_and_without_ts_out() -> None:
    records = [
        MAPPING,
        control.acknowledgement(1, "mbo", ts_event=NOW),
        ADD,
        control.error(4, "no such symbol", ts_event=NOW, is_last=False),
    ]
    for ts_out in (False, True):
        sent = [with_ts_out(record, 99) for record in records] if ts_out else records
        decoder: Any = databento_dbn.DBNDecoder(ts_out=ts_out)
        decoder.write(control.session_metadata("GLBX.MDP3", NOW, ts_out=ts_out) + b"".join(sent))
        metadata, mapping, ack, _, error = decoder.decode()
        assert metadata.ts_out is ts_out
        assert (mapping.instrument_id, mapping.stype_out_symbol) == (7, "CLX5")
        assert ack.code == dbn.SystemCode.SUBSCRIPTION_ACK
        assert (error.err, error.is_last) == ("no such symbol", 0)
        assert not ts_out or error.ts_out == 99
        assert [control.read_control(record) for record in sent] == [
            control.read_control(record) for record in records
        ]


def test_session_metadata_is_128_bytes_and_databentos() -> None:
    for ts_out in (False, True):
        official = databento_dbn.Metadata(
            dataset="GLBX.MDP3",
            start=NOW,
            stype_in=None,
            stype_out=dbn.SType.INSTRUMENT_ID,
            schema=None,
            symbols=[],
            partial=[],
            not_found=[],
            mappings=[],
            ts_out=ts_out,
            version=3,
        )
        ours = control.session_metadata("GLBX.MDP3", NOW, ts_out=ts_out)
        assert ours == official.encode()
        assert len(ours) == 128
        assert ours[52] == ts_out


def test_a_dataset_that_metadata_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="metadata that DBN cannot hold"):
        control.session_metadata("A" * 17, NOW)


def test_what_is_no_control_record_reads_as_none() -> None:
    assert control.read_control(ADD) is None
    assert control.read_control(status(7)) is None


@pytest.mark.parametrize("size", [16, 80, 316, 332])
def test_a_control_record_of_another_size_is_refused(size: int) -> None:
    record = bytes([size // 4, 0x17]) + bytes(size - 2)
    with pytest.raises(ProtocolError, match=f"a SYSTEM record of {size} bytes; it has 320"):
        control.read_control(record)


def test_codes_and_symbologies_to_come_are_read() -> None:
    record = bytearray(control.system(3, "new", ts_event=NOW))
    record[319] = 77
    assert control.read_control(bytes(record)) == System(77, "new", NOW)
    mapping = bytearray(MAPPING)
    mapping[16] = 200
    read = control.read_control(bytes(mapping))
    assert isinstance(read, SymbolMapping)
    assert read.stype_in == ""
