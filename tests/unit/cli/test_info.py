"""``depthcast info``: what it prints, for people and for programs, and how it fails."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from depthcast.cli import main
from tests.support.dbn_files import compress, head, mixed_records
from tests.support.records import add, mbo

GOOD = head() + b"".join(mixed_records())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.dbn"
    path.write_bytes(GOOD)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["info", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def document(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    code, out, err = run(capsys, *arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_a_file_as_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, file)
    assert found["path"] == str(file)
    assert found["sha256"] == hashlib.sha256(GOOD).hexdigest()
    assert (found["bytes_stored"], found["bytes_dbn"], found["compression"]) == (len(GOOD), len(GOOD), "none")
    assert (found["dbn_version"], found["dataset"], found["schema"]) == (3, "XNAS.ITCH", None)
    assert (found["stype_in"], found["stype_out"], found["ts_out"]) == ("raw_symbol", "instrument_id", False)
    assert found["start"] == {"ns": "1758742200000000000", "iso": "2025-09-24T19:30:00.000000000Z"}
    assert found["end"] is None
    assert found["mappings"] == [
        {"symbol": "AAPL", "start_date": "2025-09-24", "end_date": "2025-09-25", "stands_for": "7"}
    ]
    assert found["records"] == len(mixed_records())
    assert {"rtype": 0x12, "name": "status", "records": 2} in found["rtypes"]
    assert {"rtype": 0xEE, "name": None, "records": 1} in found["rtypes"]
    assert found["instruments"] == [
        {"publisher_id": 1, "instrument_id": 7, "symbol": "AAPL", "records": len(mixed_records())}
    ]
    assert found["ts_event"]["first"] == {"ns": "1", "iso": "1970-01-01T00:00:00.000000001Z"}
    assert found["error"] is None


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_packed_file(version: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "old.dbn.zst"
    data = head(version) + add(1, "B", 1, 1)
    path.write_bytes(compress([data]))
    found = document(capsys, path)
    assert (found["dbn_version"], found["compression"]) == (version, "zstd")
    assert (found["bytes_stored"], found["bytes_dbn"]) == (path.stat().st_size, len(data))
    assert found["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_several_files(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [each["path"] for each in document(capsys, file, file)["files"]] == [str(file)] * 2
    code, out, _ = run(capsys, file, file)
    assert code == 0
    assert out.count("sha256") == 2


def test_a_file_for_people(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, file)
    assert (code, err) == (0, "")
    for line in (
        r"file +\S+/file.dbn",
        r"dataset +XNAS.ITCH",
        r"schema +mixed",
        r"mapping +AAPL = 7 from 2025-09-24 up to 2025-09-25",
        r" +12 +all",
        r" +2 +16.67% +type status \(rtype 0x12\)",
        r" +12 +100.00% +AAPL \(instrument 7, publisher 1\)",
    ):
        assert re.search(f"^{line}$", out, re.MULTILINE), f"no line like {line!r} in\n{out}"
    assert "\x1b" not in out


def test_many_instruments_are_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "many.dbn"
    path.write_bytes(head() + b"".join(mbo("N", instrument_id=n) * (1 + n % 3) for n in range(100)))
    _, out, _ = run(capsys, path)
    assert "80 more instruments" in out
    assert len(document(capsys, path)["instruments"]) == 100


def test_a_broken_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_bytes(GOOD[:-1])
    complaint = f"{file}: byte {len(GOOD) - 56}: the file is cut short: it ends 55 bytes into a record of 56"
    assert run(capsys, file) == (3, "", f"depthcast: error: {complaint}\n")
    code, out, err = run(capsys, file, "--partial", "--json")
    found = json.loads(out)
    assert (code, err) == (0, f"depthcast: warning: {complaint}\n")
    assert found["error"] == {"message": complaint, "offset": len(GOOD) - 56}
    assert found["records"] == len(mixed_records()) - 1
    assert found["sha256"] == hashlib.sha256(GOOD[:-1]).hexdigest()
    code, out, _ = run(capsys, file, "--partial")
    assert code == 0
    assert re.search(r"^broken +.*cut short", out, re.MULTILINE)


def test_what_cannot_be_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    absent = tmp_path / "absent"
    assert run(capsys, absent) == (4, "", f"depthcast: error: {absent}: no such file or directory\n")
    code, out, err = run(capsys, tmp_path)
    assert (code, out) == (4, "")
    assert str(tmp_path) in err
    for arguments in ([], ["--jsno"], ["-", "-"]):
        code, out, err = run(capsys, *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)


def test_nothing_is_printed_if_one_of_the_files_is_broken(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, file, file.parent / "absent")
    assert (code, out) == (4, "")
