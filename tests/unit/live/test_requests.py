"""A client's lines: authentication, subscriptions, start."""

from typing import Any

import databento_dbn
import pytest
from databento.live import gateway as official

from depthcast.errors import ProtocolError, SessionError
from depthcast.live.cram import response
from depthcast.live.lines import parse_line
from depthcast.live.requests import (
    ALL_SYMBOLS,
    SCHEMAS,
    Authentication,
    Start,
    SubscriptionRequest,
    parse_request,
    subscription_requests,
)

AUTH = response("challenge", "db-AAAAAAAAAAAAAAAAAAAAAAAAbUcKt")
FIELDS = {"auth": AUTH, "dataset": "GLBX.MDP3"}
ASKED = {"schema": "mbo", "symbols": "CLX5"}

dbn: Any = databento_dbn


class TestAuthentication:
    def test_what_python_sends(self) -> None:
        line = (
            f"auth={AUTH}|dataset=GLBX.MDP3|encoding=dbn|ts_out=1|compression=zstd|heartbeat_interval_s=15|"
            "slow_reader_behavior=warn|client=Databento/0.87.0 Python/3.11.7 Linux/6.18\n"
        ).encode()
        request = parse_request(parse_line(line))
        assert request == Authentication(
            AUTH,
            "GLBX.MDP3",
            ts_out=True,
            compression="zstd",
            heartbeat_interval_s=15,
            slow_reader_behavior="warn",
            client="Databento/0.87.0 Python/3.11.7 Linux/6.18",
        )
        assert request.to_line() == line

    def test_what_rust_sends_has_another_order_and_less(self) -> None:
        line = f"auth={AUTH}|dataset=XNAS.ITCH|encoding=dbn|compression=none|ts_out=0|client=r\n".encode()
        request = Authentication.from_fields(parse_line(line))
        assert request == Authentication(AUTH, "XNAS.ITCH", client="r")
        assert request.heartbeat_interval_s == 30
        assert request.slow_reader_behavior is None

    def test_the_official_client_reads_what_we_write(self) -> None:
        line = Authentication(AUTH, "GLBX.MDP3", slow_reader_behavior="skip", details="d").to_line()
        theirs = official.AuthenticationRequest.parse(line)
        assert (theirs.auth, theirs.dataset, theirs.slow_reader_behavior) == (AUTH, "GLBX.MDP3", "skip")
        assert bytes(theirs).startswith(f"auth={AUTH}|dataset=GLBX.MDP3|encoding=dbn|details=d|".encode())

    def test_drop_is_an_old_name_of_skip_and_unknown_keys_are_ignored(self) -> None:
        fields = {**FIELDS, "slow_reader_behavior": "drop", "colour": "blue"}
        assert Authentication.from_fields(fields).slow_reader_behavior == "skip"

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"auth": ""}, "auth: missing"),
            ({"auth": "x-bUcKt"}, "auth: expected 64 hex digits"),
            ({"dataset": ""}, "dataset: missing"),
            ({"dataset": "A" * 16}, "dataset: expected a code such as GLBX.MDP3, got 'AAAA"),
            ({"encoding": "csv"}, "encoding: the only one is dbn, got 'csv'"),
            ({"ts_out": "yes"}, "ts_out: expected 0 or 1, got 'yes'"),
            ({"compression": "gzip"}, "compression: expected none or zstd, got 'gzip'"),
            ({"heartbeat_interval_s": "0"}, "heartbeat_interval_s: expected 1 to 1800, got 0"),
            ({"heartbeat_interval_s": "1801"}, "heartbeat_interval_s: expected 1 to 1800, got 1801"),
            ({"heartbeat_interval_s": "-5"}, "heartbeat_interval_s: expected a number, got '-5'"),
            ({"heartbeat_interval_s": "٣"}, "heartbeat_interval_s: expected a number"),
            ({"heartbeat_interval_s": "9" * 5000}, "heartbeat_interval_s: expected a number"),
            ({"slow_reader_behavior": "stop"}, "slow_reader_behavior: expected skip or warn, got 'stop'"),
            ({"client": "x" * 1025}, "client: 1,025 characters; at most 1,024"),
        ],
    )
    def test_a_bad_field_is_named(self, changes: dict[str, str], message: str) -> None:
        with pytest.raises(ProtocolError, match=message):
            Authentication.from_fields(FIELDS | changes)


class TestSubscription:
    def test_what_python_sends(self) -> None:
        line = b"schema=mbo|stype_in=parent|symbols=CL.FUT,ES.FUT|start=5|snapshot=0|id=0|is_last=0\n"
        request = parse_request(parse_line(line))
        assert request == SubscriptionRequest(
            "mbo", ("CL.FUT", "ES.FUT"), "parent", start=5, id=0, is_last=False
        )
        assert request.to_line() == line
        theirs = official.SubscriptionRequest(
            schema=dbn.Schema.MBO,
            stype_in=dbn.SType.PARENT,
            symbols="CL.FUT,ES.FUT",
            start=5,
            id=0,
            is_last=0,
        )
        assert bytes(theirs) == line

    def test_what_is_not_given_has_its_default(self) -> None:
        assert SubscriptionRequest.from_fields(ASKED) == SubscriptionRequest("mbo", ("CLX5",))
        request = SubscriptionRequest.from_fields(ASKED)
        assert (request.stype_in, request.start, request.snapshot, request.id, request.is_last) == (
            "raw_symbol",
            None,
            False,
            None,
            True,
        )

    def test_all_symbols_is_a_word(self) -> None:
        assert SubscriptionRequest.from_fields({**ASKED, "symbols": ALL_SYMBOLS}).all_symbols
        assert not SubscriptionRequest.from_fields(ASKED).all_symbols

    def test_a_symbol_given_twice_counts_once_and_blanks_belong_to_it(self) -> None:
        fields = {**ASKED, "symbols": "B,A,B,UD:1V: VT 123"}
        assert SubscriptionRequest.from_fields(fields).symbols == ("B", "A", "UD:1V: VT 123")

    def test_start_0_is_not_no_start(self) -> None:
        assert SubscriptionRequest.from_fields({**ASKED, "start": "0"}).start == 0

    def test_every_schema_is_databentos(self) -> None:
        theirs = {str(schema) for schema in databento_dbn.Schema.variants()}
        assert theirs - set(SCHEMAS) == {"ohlcv-eod"}
        assert set(SCHEMAS) <= theirs

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"schema": ""}, "schema: missing"),
            ({"schema": "mbp-5"}, "schema: expected one of mbo, .*, got 'mbp-5'"),
            ({"stype_in": "ticker"}, "stype_in: expected one of instrument_id, .*, got 'ticker'"),
            ({"symbols": ""}, "symbols: missing"),
            ({"symbols": "A,,B"}, "symbols: not a symbol: ''"),
            ({"symbols": f"A,{ALL_SYMBOLS}"}, "symbols: ALL_SYMBOLS stands alone, here it is one of 2"),
            ({"symbols": ",".join("A" * 501)}, "symbols: 501 in one line; at most 500"),
            ({"start": "2025-09-24"}, "start: expected a number, got '2025-09-24'"),
            ({"start": str(2**64 - 1)}, "start: expected ns since the epoch"),
            ({"snapshot": "2"}, "snapshot: expected 0 or 1, got '2'"),
            ({"snapshot": "1", "start": "0"}, "snapshot: not together with start"),
            ({"snapshot": "1", "schema": "trades"}, "snapshot: only mbo, .* have snapshots, not trades"),
            ({"id": str(2**32)}, "id: expected 0 to 4294967295, got 4294967296"),
            ({"is_last": ""}, "is_last: expected 0 or 1, got ''"),
        ],
    )
    def test_a_bad_field_is_an_invalid_subscription(self, changes: dict[str, str], message: str) -> None:
        with pytest.raises(SessionError, match=message) as caught:
            SubscriptionRequest.from_fields(ASKED | changes)
        assert caught.value.code == 5

    @pytest.mark.parametrize("symbols", [(), ("A,B",), ("A|B",), ("A\n",)])
    def test_a_client_cannot_write_what_a_line_cannot_say(self, symbols: tuple[str, ...]) -> None:
        with pytest.raises((SessionError, ProtocolError)):
            SubscriptionRequest("mbo", symbols).to_line()


def test_many_symbols_are_cut_into_lines_of_500() -> None:
    symbols = [f"S{n}" for n in range(1201)]
    lines = list(subscription_requests("mbo", [*symbols, "S0"], snapshot=True, id=4))
    assert [len(line.symbols) for line in lines] == [500, 500, 201]
    assert [line.is_last for line in lines] == [False, False, True]
    assert [symbol for line in lines for symbol in line.symbols] == symbols
    assert all((line.id, line.snapshot) == (4, True) for line in lines)


def test_without_symbols_all_are_meant() -> None:
    [line] = subscription_requests("trades")
    assert line.all_symbols
    with pytest.raises(SessionError, match="symbols: none"):
        list(subscription_requests("trades", []))


@pytest.mark.parametrize("line", [b"start_session\n", b"start_session=0\n"])
def test_both_spellings_start(line: bytes) -> None:
    assert parse_request(parse_line(line)) == Start()
    assert Start().to_line() == b"start_session=0\n"


@pytest.mark.parametrize("line", [b"start_session=now\n", b"hello\n", b"=|stop_session=1"])
def test_what_is_no_request_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_request(parse_line(line))


def test_a_start_reads_only_its_own_line() -> None:
    with pytest.raises(ProtocolError, match="start_session: expected no value or 0"):
        Start.from_fields({"schema": "mbo"})
