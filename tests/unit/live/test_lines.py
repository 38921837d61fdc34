"""Control lines: what the grammar carries, and what is refused."""

import pytest

from depthcast.errors import ProtocolError
from depthcast.live.lines import MAX_LINE_BYTES, format_line, line_value, parse_line


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (b"success=1|session_id=7\n", {"success": "1", "session_id": "7"}),
        (b"start_session\n", {"start_session": ""}),
        (b"start_session=0", {"start_session": "0"}),
        (b"client=a=b|x=\r\n", {"client": "a=b", "x": ""}),
        (b"|a=1||b=2|\n", {"a": "1", "b": "2"}),
        ("client=Zoë\n".encode(), {"client": "Zoë"}),
    ],
)
def test_a_line_is_its_fields(line: bytes, fields: dict[str, str]) -> None:
    assert parse_line(line) == fields
    assert parse_line(memoryview(bytearray(line))) == fields


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"\n", "an empty line"),
        (b"|||\n", "an empty line"),
        (b"a=1\xff\n", "not UTF-8: byte 3"),
        (b"a=\0\n", "NUL or a line end inside"),
        (b"a=1\nb=2\n", "NUL or a line end inside"),
        (b"a=1\rb=2\n", "NUL or a line end inside"),
        (b"=1\n", "a value without a key: '=1'"),
        (b"a=1|b|a=2\n", "'a' is given twice"),
        (b"a" * (MAX_LINE_BYTES + 1), "a line of 65,537 bytes; the longest is 65,536"),
    ],
)
def test_what_is_no_line_is_refused(line: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        parse_line(line)


def test_the_longest_line_is_taken() -> None:
    line = b"a=" + b"x" * (MAX_LINE_BYTES - 3) + b"\n"
    assert len(parse_line(line)["a"]) == MAX_LINE_BYTES - 3
    assert format_line(parse_line(line)) == line


def test_numbers_flags_and_keys_alone_are_written() -> None:
    assert format_line([("id", 3), ("snapshot", True), ("start_session", None)]) == (
        b"id=3|snapshot=1|start_session\n"
    )


@pytest.mark.parametrize(
    "fields",
    [{}, {"": "x"}, {"a=b": "x"}, {"a|b": "x"}, {"a": "x|y"}, {"a": "x\ny"}, {"a": "\0"}, {"a": "\ud800"}],
)
def test_what_the_grammar_cannot_carry_is_not_written(fields: dict[str, str]) -> None:
    with pytest.raises(ProtocolError):
        format_line(fields)


def test_a_line_too_long_is_not_written() -> None:
    with pytest.raises(ProtocolError, match="the longest is"):
        format_line({"a": "x" * MAX_LINE_BYTES})


def test_any_text_can_be_made_a_value() -> None:
    assert line_value("not a|dataset\nof mine\0") == "not a/dataset of mine "
    assert parse_line(format_line({"error": line_value("a|b\r\n")})) == {"error": "a/b  "}


def test_an_error_repeats_little_of_what_the_peer_sent() -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_line(b"=" + b"\x1b[31m" * 1000)
    assert len(str(caught.value)) < 120
    assert str(caught.value).isprintable()
