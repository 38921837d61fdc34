"""``depthcast audit`` on small files: what it says, to people and to programs, and how it fails."""

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from depthcast.book.engine import Engine
from depthcast.cli.audit import _Files
from depthcast.errors import DBNError
from tests.support.audit import Wrapped
from tests.support.audit_schema import PATH, schema
from tests.support.command import PROGRAM, Result, command, spawn
from tests.support.records import LAST, MAYBE_BAD, add, cancel, clear, fill, other, trade

WriteFile = Callable[..., Path]

P = 100_000_000_000
DAY = [
    clear(ts_recv=10),
    add(1, "B", P, 5, ts_recv=20),
    add(2, "A", P + 500_000_000, 5, ts_recv=30),
    trade("A", P, 2, ts_recv=40),
    fill(1, "B", P, 2, ts_recv=40),
    cancel(1, "B", P, 2, ts_recv=40),
    cancel(9, "B", P, 2, ts_recv=50),
]


def report_of(result: Result) -> Any:
    report = json.loads(result.out)
    jsonschema.validate(report, json.loads(PATH.read_text()))
    return report


def test_the_schema_is_that_of_the_report() -> None:
    assert json.loads(PATH.read_text()) == schema(), "run: python -m tests.support.audit_schema"


def test_a_file_as_json(write: WriteFile) -> None:
    path = write(DAY)
    result = command("audit", path, "--json")
    assert (result.code, result.err) == (0, "")
    report = report_of(result)
    assert report["source"] == {
        "dataset": "XNAS.ITCH",
        "files": [{"file": "day.mbo.dbn", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}],
        "partial": None,
        "instrument_ids": None,
    }
    assert (report["valid"], report["trusted"]) == (True, True)
    assert (report["engine"], report["rebuilt_by"]) == ("native", "reference")
    assert (report["records"], report["events"]) == (7, 5)
    assert report["first"] == {"record": 0, "ts_recv": "10", "iso": "1970-01-01T00:00:00.000000010Z"}
    assert report["last"]["ts_recv"] == "50"
    assert report["books"][0]["symbol"] == "AAPL"
    assert len(report["rules"]) == 10
    assert all(rule["holds"] and rule["checks"] for rule in report["rules"])
    seen = {each["id"]: each["count"] for each in report["observations"] if each["count"]}
    assert seen == {"fills_at_front": 1, "unknown_cancels": 1, "orders_alive": 2}
    assert command("audit", path, "--json").out == result.out


def test_a_file_for_people(write: WriteFile) -> None:
    result = command("audit", write(DAY))
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "✔ VALID  every hard rule holds, and the book can be trusted"
    for line in (
        "✔  A level is the sum of its orders",
        "Fills at the front",
        "Cancels of unknown orders",
        "Not seen: crossed books, locked books,",
    ):
        assert any(each.startswith(line) for each in lines), line
    assert any(each.split()[:-1] == ["AAPL", "7", "5", "2", "2", "complete", "normal"] for each in lines)
    assert "\x1b" not in result.out
    assert max(map(len, lines)) <= 110


@pytest.mark.parametrize(
    ("records", "verdict"),
    [
        (DAY[1:], "every hard rule holds, but the book is incomplete (no clear or snapshot at its start"),
        (
            [*DAY, add(3, "B", P, 5, LAST | MAYBE_BAD)],
            "every hard rule holds, but the book is suspect (data was",
        ),
        (
            [*DAY, add(3, "B", P, 5, instrument_id=8)],
            "every hard rule holds, but 1 of 2 books is incomplete (no clear or snapshot at its start",
        ),
    ],
)
def test_a_valid_report_may_say_that_a_book_cannot_be_trusted(
    write: WriteFile, records: list[bytes], verdict: str
) -> None:
    path = write(records)
    result = command("audit", path)
    assert result.code == 0
    assert result.out.startswith("✔ VALID  " + verdict)
    report = report_of(command("audit", path, "--json"))
    assert (report["valid"], report["trusted"]) == (True, False)


class LosesVolume(Wrapped):
    """Forgets what was removed."""

    @property
    def counters(self) -> dict[str, int]:
        return self.real.counters | {"volume_removed_bid": 0}


def test_a_broken_rule_is_exit_code_5(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthcast.cli.audit.make_engine", lambda _: LosesVolume())
    path = write(DAY)
    result = command("audit", path)
    assert result.code == 5
    assert result.out.startswith("✘ NOT VALID  1 of 10 hard rules broken: a bug, do not use the books\n")
    assert "✘  Volume is conserved" in result.out
    assert "after record 5: bids: 5 added and 0 removed, but 3 rest" in result.out
    as_json = command("audit", path, "--json")
    report = report_of(as_json)
    assert as_json.code == 5
    assert (report["valid"], report["trusted"]) == (False, False)


def test_files_are_one_feed(write: WriteFile) -> None:
    first, second = write(DAY[:4], name="one.dbn"), write(DAY[4:], name="two.dbn")
    report = report_of(command("audit", first, second, "--json"))
    whole = report_of(command("audit", write(DAY), "--json"))
    assert [each["file"] for each in report["source"]["files"]] == ["one.dbn", "two.dbn"]
    for name in ("records", "books", "rules", "observations", "counters"):
        assert report[name] == whole[name]


def test_the_other_engine_can_be_the_audited_one(write: WriteFile) -> None:
    path = write(DAY)
    report = report_of(command("audit", path, "--json", "--engine", "reference"))
    whole = report_of(command("audit", path, "--json"))
    assert (report.pop("engine"), report.pop("rebuilt_by")) == ("reference", "native")
    del whole["engine"], whole["rebuilt_by"]
    assert report == whole


def test_the_limits_of_events_are_those_of_the_settings(write: WriteFile) -> None:
    path = write([clear(), add(1, "B", P, 1, 0), add(2, "B", P, 1, 0), add(3, "B", P, 1)])
    report = report_of(command("audit", path, "--json", "--set", "engine.max_event_records=2"))
    assert report["valid"]
    assert report["counters"]["long_events"] == 1


def test_one_instrument_by_symbol_or_id(write: WriteFile) -> None:
    path = write([*DAY, clear(instrument_id=8), other(0x17)])
    for name in ("AAPL", "7"):
        report = report_of(command("audit", path, "--json", "--instrument", name))
        assert report["source"]["instrument_ids"] == [7]
        assert [book["instrument_id"] for book in report["books"]] == [7]
        assert report["records"] == len(DAY)
    assert "only     instrument 7" in command("audit", path, "--instrument", "7").out


def test_standard_input_and_pipes_are_read_like_files(write: WriteFile, tmp_path: Path) -> None:
    path = write(DAY)
    whole = report_of(command("audit", path, "--json"))
    with path.open("rb") as stream:
        out, err = spawn("audit", "-", "--json", stdin=stream).communicate(timeout=60)
    assert err == b""
    piped = json.loads(out)
    assert piped["source"]["files"] == [{"file": "-", "sha256": whole["source"]["files"][0]["sha256"]}]
    assert piped["rules"] == whole["rules"]
    line = 'exec "$0" "$@" <(cat "$FILE")'
    done = subprocess.run(
        ["bash", "-c", line, *PROGRAM, "audit", "--json"],
        env={"FILE": str(path), "PATH": os.environ["PATH"]},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout)["rules"] == whole["rules"]


def test_the_report_in_a_file(write: WriteFile, tmp_path: Path) -> None:
    path, output = write(DAY), tmp_path / "report.txt"
    result = command("audit", path, "-o", output)
    assert (result.code, result.out, result.err) == (0, "", "")
    assert output.read_text() == command("audit", path).out
    command("audit", path, "--json", "-o", output)
    assert output.read_text() == command("audit", path, "--json").out


def test_a_file_cut_short(write: WriteFile) -> None:
    path = write([*DAY, b"\x0e\xa0cut"])
    result = command("audit", path)
    assert (result.code, result.out) == (3, "")
    assert result.err.count("\n") == 1
    result = command("audit", path, "--partial", "--json")
    assert result.code == 0
    assert "the report is of what comes before" in result.err
    report = report_of(result)
    assert report["records"] == len(DAY)
    assert report["source"]["partial"]["file"] == "day.mbo.dbn"
    assert report["source"]["partial"]["offset"] == path.stat().st_size - 5
    assert "breaks off  day.mbo.dbn at byte" in command("audit", path, "--partial").out


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--instrument", "MSFT"], 2, "no symbol 'MSFT' in the data"),
        (["--instrument", "9"], 2, "no MBO record of this instrument"),
        (["-", "-"], 2, "standard input (-) can be read only once"),
        (["--frob"], 2, "--frob"),
        (["absent.dbn"], 4, "absent.dbn"),
    ],
)
def test_what_cannot_be_done_is_one_line(write: WriteFile, options: list[str], code: int, said: str) -> None:
    result = command("audit", write(DAY), *options)
    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert result.err.count("\n") == 1


def test_a_file_without_mbo_records_has_nothing_to_audit(write: WriteFile) -> None:
    result = command("audit", write([other(0x17)]))
    assert (result.code, result.out) == (3, "")
    assert "no MBO records" in result.err


def test_the_report_does_not_overwrite_the_file(write: WriteFile) -> None:
    path = write(DAY)
    before = path.read_bytes()
    assert command("audit", path, "-o", path).code == 2
    assert path.read_bytes() == before


def test_a_file_that_changes_meanwhile_is_not_audited(write: WriteFile) -> None:
    path = write(DAY)
    files = _Files([str(path)], None, chunk_bytes=1 << 16, allow_partial=False, show_bar=False)
    assert sum(len(chunk) for chunk in files.read()) == 56 * len(DAY)
    write([*DAY[:-1], cancel(8, "B", P, 2)])
    with pytest.raises(DBNError, match=r"day\.mbo\.dbn: changed while it was audited"):
        list(files.read())


def test_many_books_are_told_in_few_lines(write: WriteFile) -> None:
    books = [add(1, "B", P, 5, instrument_id=number) for number in range(1, 41)]
    result = command("audit", write([*DAY, *books]))
    assert "and 28 more" in result.out
    assert len(report_of(command("audit", write(books), "--json"))["books"]) == 40


def test_books_of_several_publishers_are_told_apart(write: WriteFile) -> None:
    lines = command("audit", write([*DAY, clear(publisher_id=2), clear(instrument_id=8)])).out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("BOOK"))
    assert [line[:9].rstrip() for line in lines[start + 1 : start + 4]] == [
        "AAPL at 1",
        "8 at 1",
        "AAPL at 2",
    ]


def test_a_terminal_gets_colours_and_its_own_width() -> None:
    from depthcast.cli._audit_text import as_text
    from tests.support.audit import audited

    report = audited(*DAY, engine=Engine)
    text = as_text(report, terminal=True)
    assert "\x1b[1;32m✔ VALID" in text
