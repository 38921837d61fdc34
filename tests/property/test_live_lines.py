"""Control lines under any input: what is read never breaks, what is written is read back the same."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from depthcast.errors import ProtocolError, SessionError
from depthcast.live.control import STYPES
from depthcast.live.cram import response
from depthcast.live.lines import format_line, line_value, parse_line
from depthcast.live.replies import AuthenticationReply, Challenge, Greeting
from depthcast.live.requests import (
    MAX_SYMBOLS,
    SCHEMAS,
    Authentication,
    Start,
    SubscriptionRequest,
    parse_request,
    subscription_requests,
)

AUTH = response("challenge", "db-AAAAAAAAAAAAAAAAAAAAAAAAbUcKt")
KEYS = [
    "auth", "dataset", "encoding", "ts_out", "compression", "heartbeat_interval_s", "slow_reader_behavior",
    "client", "details", "schema", "stype_in", "symbols", "start", "snapshot", "id", "is_last",
    "start_session", "lsg_version", "cram", "success", "session_id", "error",
]  # fmt: skip
VALUES = [
    "",
    "0",
    "1",
    "-1",
    "2",
    "30",
    str(2**64),
    "mbo",
    "trades",
    "A,B",
    "ALL_SYMBOLS",
    "parent",
    "zstd",
    AUTH,
]

text = st.text(st.characters(codec="utf-8", exclude_characters="|\r\n\0"))
keys = st.text(st.characters(codec="utf-8", exclude_characters="|=\r\n\0"), min_size=1)
symbols = st.text(st.characters(codec="utf-8", exclude_characters="|,\r\n\0"), min_size=1, max_size=20)


@given(st.binary(max_size=200))
def test_any_bytes_are_fields_or_a_protocol_error(line: bytes) -> None:
    with suppress(ProtocolError):
        fields = parse_line(line)
        assert fields
        assert all(fields)


@given(st.dictionaries(keys, text, min_size=1))
def test_fields_come_back_as_they_went(fields: dict[str, str]) -> None:
    line = format_line(fields)
    assert line.count(b"\n") == 1
    assert parse_line(line) == fields
    assert list(parse_line(line)) == list(fields)


@given(st.text())
def test_any_text_made_a_value_is_carried(words: str) -> None:
    value = line_value(words)
    assert len(value) == len(words)
    assert parse_line(format_line({"error": value}))["error"] == value


@given(st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES) | text))
def test_any_fields_are_a_request_or_one_of_its_two_errors(fields: dict[str, str]) -> None:
    refusal = None
    with suppress(ProtocolError):
        try:
            request = parse_request(fields)
            assert parse_request(parse_line(request.to_line())) == request
        except SessionError as error:
            refusal = error
    assert refusal is None or (refusal.code == 5 and str(refusal).isprintable())


@given(st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES) | text))
def test_any_fields_are_a_reply_or_a_protocol_error(fields: dict[str, str]) -> None:
    for reply in (Greeting, Challenge, AuthenticationReply):
        with suppress(ProtocolError):
            reply.from_fields(fields)


@given(
    st.builds(
        Authentication,
        auth=st.just(AUTH),
        dataset=st.sampled_from(["GLBX.MDP3", "XNAS.ITCH"]),
        ts_out=st.booleans(),
        compression=st.sampled_from(["none", "zstd"]),
        heartbeat_interval_s=st.integers(1, 1800),
        slow_reader_behavior=st.sampled_from([None, "skip", "warn"]),
        client=text.filter(lambda words: len(words) <= 1024),
        details=text.filter(lambda words: len(words) <= 1024),
    )
)
def test_an_authentication_is_read_as_it_was_written(request: Authentication) -> None:
    assert parse_request(parse_line(request.to_line())) == request


@st.composite
def subscriptions(draw: st.DrawFn) -> SubscriptionRequest:
    """Any valid subscription."""
    schema = draw(st.sampled_from(SCHEMAS))
    snapshot = schema == "mbo" and draw(st.booleans())
    return SubscriptionRequest(
        schema,
        tuple(draw(st.lists(symbols.filter(lambda each: each != "ALL_SYMBOLS"), min_size=1, unique=True))),
        draw(st.sampled_from(STYPES)),
        None if snapshot else draw(st.none() | st.integers(0, 2**64 - 2)),
        snapshot,
        draw(st.none() | st.integers(0, 2**32 - 1)),
        draw(st.booleans()),
    )


@given(subscriptions())
def test_a_subscription_is_read_as_it_was_written(request: SubscriptionRequest) -> None:
    assert parse_request(parse_line(request.to_line())) == request


@given(st.integers(1, 2000), st.booleans())
def test_lines_of_a_subscription_together_say_all_of_it(count: int, snapshot: bool) -> None:
    asked = [f"SYMBOL-{n}" for n in range(count)]
    lines = [
        SubscriptionRequest.from_fields(parse_line(each.to_line()))
        for each in subscription_requests("mbo", asked, snapshot=snapshot, id=3)
    ]
    assert [symbol for line in lines for symbol in line.symbols] == asked
    assert [line.is_last for line in lines] == [False] * (len(lines) - 1) + [True]
    assert all(len(line.symbols) == MAX_SYMBOLS for line in lines[:-1])


@given(st.sampled_from([Start().to_line(), b"schema=mbo|symbols=A\n"]), st.data())
def test_a_line_with_one_byte_changed_is_a_request_or_an_error(line: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(line) - 1))
    changed = line[:at] + bytes([data.draw(st.integers(0, 255))]) + line[at + 1 :]
    with suppress(ProtocolError, SessionError):
        parse_request(parse_line(changed))
