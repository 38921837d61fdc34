"""Output that must not differ from one process to the next: decoded mappings have a random order in each."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from depthcast.dbn import make_metadata, write_dbn
from tests.support.command import finish, spawn
from tests.support.records import add

PROCESSES: Final = 3
INSTRUMENTS: Final = (1, 2, 3)
SYMBOLS: Final = [f"CL.{rule}.{number}" for rule in "vnc" for number in INSTRUMENTS]
"""Each instrument has three symbols at once; the first of them in this order is the one to show."""
CONVERT: Final = ("convert", "feed.mbo.dbn", "--schema", "mbp-1", "-o", "-", "--format", "dbn", "-q")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with ``feed.mbo.dbn``."""
    head = make_metadata(
        "GLBX.MDP3",
        "mbo",
        1,
        end=100,
        stype_in="continuous",
        mappings={symbol: int(symbol[-1]) for symbol in SYMBOLS},
    )
    records = [add(number, "B", 10**9, 1, instrument_id=number, ts_recv=number) for number in INSTRUMENTS]
    write_dbn(tmp_path / "feed.mbo.dbn", head, records)
    return tmp_path


def outputs(folder: Path, *arguments: object) -> list[bytes]:
    """What the same command writes in several processes."""
    return together(folder, *[arguments] * PROCESSES)


def together(folder: Path, *commands: Sequence[object]) -> list[bytes]:
    """What commands write, each in a process of its own; all succeed."""
    running = [spawn(*arguments, cwd=folder) for arguments in commands]
    written = []
    for process in running:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        written.append(out)
    return written


@pytest.mark.parametrize(
    "arguments",
    [
        ("info", "feed.mbo.dbn"),
        ("info", "feed.mbo.dbn", "--json"),
        ("reconstruct", "feed.mbo.dbn", "-q"),
        ("audit", "feed.mbo.dbn", "-q", "--json"),
        CONVERT,
    ],
    ids=["info", "info-json", "reconstruct", "audit", "convert"],
)
def test_several_symbols_of_an_instrument(folder: Path, arguments: tuple[str, ...]) -> None:
    assert len(set(outputs(folder, *arguments))) == 1


def test_the_symbol_shown_is_the_first_asked_for(folder: Path) -> None:
    (out,) = set(outputs(folder, "reconstruct", "feed.mbo.dbn", "-q"))
    shown = [book["metadata"]["symbol"] for book in json.loads(out)["books"]]
    assert shown == ["CL.v.1", "CL.v.2", "CL.v.3"]


@pytest.mark.parametrize(
    "arguments",
    [("reconstruct", "feed.mbo.dbn", "-q"), ("audit", "feed.mbo.dbn", "-q", "--json"), CONVERT],
    ids=["reconstruct", "audit", "convert"],
)
def test_every_symbol_selects_its_instrument(folder: Path, arguments: tuple[str, ...]) -> None:
    wanted = [[*arguments, "--instrument", text] for text in ("2", "CL.v.2", "CL.n.2", "CL.c.2")]
    assert len(set(together(folder, *wanted))) == 1


def test_a_symbol_of_an_earlier_file_selects_too(folder: Path) -> None:
    head = make_metadata("GLBX.MDP3", "mbo", 200, end=300, mappings={"CLZ5": 2})
    write_dbn(folder / "next.mbo.dbn", head, [add(9, "A", 2 * 10**9, 1, instrument_id=2, ts_recv=201)])
    for symbol in ("CL.n.2", "CLZ5"):
        process = spawn(
            "reconstruct", "feed.mbo.dbn", "next.mbo.dbn", "-q", "--instrument", symbol, cwd=folder
        )
        book = finish(process).json
        assert (book["metadata"]["symbol"], book["metadata"]["records"]) == ("CLZ5", 2)


def test_a_simulated_exchange_of_several_instruments(folder: Path) -> None:
    options = ("--instruments", "5", "--records", "2000", "--seed", "7", "-q")
    assert len(set(outputs(folder, "simulate", *options, "-o", "-"))) == 1
