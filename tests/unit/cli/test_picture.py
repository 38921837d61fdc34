"""``depthcast reconstruct --picture``: the book drawn in the terminal."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from depthcast.book.engine import Engine
from depthcast.cli._picture import draw
from tests.support.command import command
from tests.support.dbn_files import Interval, Mapping, metadata
from tests.support.records import TOB, add, cancel, clear, trade
from tests.support.small_days import DAY, PX

WriteFile = Callable[..., Path]


def test_a_picture_has_the_best_in_the_middle(write: WriteFile) -> None:
    path = write(
        [
            trade("B", 4 * PX, 1, instrument_id=8),
            add(1, "B", 4_500_000_000, 9),
            add(2, "B", 4 * PX, 2),
            add(3, "A", 4_750_000_000, 1),
            add(4, "A", 5 * PX, 12),
        ]
    )
    result = command("reconstruct", path, "--picture", "-q")
    lines = result.out.splitlines()
    assert lines[1:3] == [
        "  AAPL  XNAS.ITCH (the busiest of 2 books)  1970-01-01T00:00:00.000000001Z",
        "  4 orders at 4 prices, normal, incomplete",
    ]
    assert [line.split() for line in lines[4:6]] == [
        ["5.00", "12", "(1)", "█" * 37],
        ["4.75", "1", "(1)", "███"],
    ]
    assert lines[6].split()[1] == "0.25"
    bids = [line.split() for line in lines[7:9]]
    assert [bid[1:] for bid in bids] == [["9", "(1)", "4.50"], ["2", "(1)", "4.00"]]
    assert [len(bid[0]) for bid in bids] == [28, 6]
    assert all(len(line) <= 100 for line in lines)
    columns = {line.index(price) for line, price in zip(lines[4:6], ("5.00", "4.75"), strict=True)}
    columns |= {line.index(price) for line, price in zip(lines[7:9], ("4.50", "4.00"), strict=True)}
    assert columns == {lines[6].index("0.25")}
    assert "\x1b" not in result.out


def test_a_symbol_cannot_steer_the_terminal(write: WriteFile) -> None:
    dates = metadata().mappings["AAPL"][0]
    mapping = Mapping("A\x1b]0;owned\x07", [Interval(dates["start_date"], dates["end_date"], "7")])
    path = write([add(1, "B", PX, 1)], mappings=[mapping])
    assert "\x1b" not in command("reconstruct", path, "--picture").out
    assert "\x1b" not in command("reconstruct", path, "--instrument", "x").err


def test_a_picture_goes_with_a_file_of_json(write: WriteFile, tmp_path: Path) -> None:
    path = write(DAY)
    result = command("reconstruct", path, "--picture", "--depth", "1", "-o", tmp_path / "book.json")
    assert result.code == 0
    assert "5560" in result.out
    assert "-3.25" not in result.out
    assert (tmp_path / "book.json").read_text() == command("reconstruct", path, "--depth", 1).out


def test_a_picture_of_little(write: WriteFile) -> None:
    assert "the book is empty" in command("reconstruct", write([clear()]), "--picture").out
    assert "no books" in command("reconstruct", write([]), "--picture").out
    top = command("reconstruct", write([add(0, "B", PX, 7, flags=128 | TOB)]), "--picture").out
    assert "0 orders at 1 price, empty" in top
    assert "█ 7  1\n" in top
    crossed = [add(1, "B", 3 * PX, 1), add(2, "A", 2 * PX, 1), cancel(9, "B", PX, 1, 0)]
    assert "crossed, incomplete, inside an event" in command("reconstruct", write(crossed), "--picture").out


class Terminal(io.TextIOWrapper):
    """A terminal of some encoding."""

    def isatty(self) -> bool:
        return True


def drawn(encoding: str) -> str:
    engine = Engine()
    engine.apply(add(1, "B", 3 * PX, 5) + add(2, "A", 4 * PX, 10))
    (key,) = engine.books()
    stream = Terminal(io.BytesIO(), encoding=encoding)
    return draw(engine, key, title="X", rows=1, width=60, stream=stream)


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[32m" in drawn("utf-8")
    assert "\x1b[31m" in drawn("utf-8")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in drawn("utf-8")


def test_a_terminal_without_block_characters_gets_plain_ones() -> None:
    text = drawn("ascii")
    text.encode("ascii")
    assert "##########" in text
