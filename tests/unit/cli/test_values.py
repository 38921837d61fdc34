"""Values on the command line, good and bad."""

import pytest

from depthcast.cli._values import (
    Every,
    describe_instruments,
    parse_depth,
    parse_every,
    parse_time,
    select_instruments,
)
from depthcast.errors import UsageError


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("1758742200000000001", 1_758_742_200_000_000_001),
        ("2025-09-24T19:30:00Z", 1_758_742_200_000_000_000),
        ("2025-09-24T19:30:00", 1_758_742_200_000_000_000),
        ("2025-09-24 19:30", 1_758_742_200_000_000_000),
        ("2025-09-24T19:30:00.5Z", 1_758_742_200_500_000_000),
        ("2025-09-24T19:30:00.000000001Z", 1_758_742_200_000_000_001),
        ("2025-09-24T19:30:00.123456789", 1_758_742_200_123_456_789),
        ("2025-09-24T21:30:00+02:00", 1_758_742_200_000_000_000),
        ("2025-09-24T14:00:00.25-05:30", 1_758_742_200_250_000_000),
        ("2025-09-24T14:00:00-0530", 1_758_742_200_000_000_000),
        ("2025-09-24", 1_758_672_000_000_000_000),
        ("1970-01-01T00:00:00Z", 0),
        ("2025-09-24t19:30:00z", 1_758_742_200_000_000_000),
    ],
)
def test_a_time(text: str, ns: int) -> None:
    assert parse_time(text) == ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "-1",
        "1e9",
        "18446744073709551615",
        "99999999999999999999999",
        "2025-09-31",
        "2025-09-24T25:00",
        "2025-09-24T19:30:00.1234567890Z",
        "2025-09-24T19:30:00.",
        "1969-12-31T23:59:59Z",
        "2025-09-24T19:30:00+99:00",
        "٣",
    ],
)
def test_not_a_time(text: str) -> None:
    with pytest.raises(UsageError, match="--at: expected ns since the epoch"):
        parse_time(text)


@pytest.mark.parametrize(
    ("text", "every"),
    [
        ("event", Every(1, None)),
        ("1", Every(1, None)),
        ("250", Every(250, None)),
        ("1s", Every(None, 1_000_000_000)),
        ("100ms", Every(None, 100_000_000)),
        ("5us", Every(None, 5_000)),
        ("7ns", Every(None, 7)),
        ("1m", Every(None, 60_000_000_000)),
        ("2h", Every(None, 7_200_000_000_000)),
    ],
)
def test_how_often(text: str, every: Every) -> None:
    assert parse_every(text) == every


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-1s", "1.5s", "1d", "s", "events", "1 s", "99999999999999999999h"]
)
def test_not_how_often(text: str) -> None:
    with pytest.raises(UsageError, match="--every: expected event, a number of events, or an interval"):
        parse_every(text)


def test_a_depth() -> None:
    assert (parse_depth("full"), parse_depth("1"), parse_depth("10")) == (0, 1, 10)


@pytest.mark.parametrize("text", ["0", "-3", "all", "", "1.5", "4294967296"])
def test_not_a_depth(text: str) -> None:
    with pytest.raises(UsageError, match="--depth: expected full or a number of levels"):
        parse_depth(text)


def test_an_instrument_is_a_symbol_before_it_is_a_number() -> None:
    symbols = {"700": {7}, "AAPL": {8, 9}, "APPLE": {8}}
    assert select_instruments("AAPL", symbols) == {8, 9}
    assert select_instruments("APPLE", symbols) == {8}
    assert select_instruments("700", symbols) == {7}
    assert select_instruments("9", symbols) == {9}
    assert select_instruments("12345", symbols) == {12345}


def test_an_unknown_symbol_names_some_known_ones() -> None:
    symbols = {f"S{number}": {number} for number in range(1, 11)}
    with pytest.raises(
        UsageError, match=r"no symbol 'X' in the data; known: S1 \(1\), .*S8 \(8\) and 2 more"
    ):
        select_instruments("X", symbols)
    with pytest.raises(UsageError, match="maps no symbols: give the instrument id"):
        select_instruments("X", {})
    assert describe_instruments([(4, None), (5, "E")]) == "known: 4, E (5)"
