"""``depthcast reconstruct`` as a process: pipes, signals, terminals, closed streams."""

import json
import os
import pty
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.command import PROGRAM, Result, command, finish, spawn
from tests.support.dbn_files import metadata
from tests.support.records import add
from tests.support.small_days import DAY

LONG = 120_000
"""Records that keep the reference engine busy for a second or so, and fill a pipe many times."""


@pytest.fixture
def day(tmp_path: Path) -> Path:
    path = tmp_path / "day.dbn"
    path.write_bytes(metadata().encode() + b"".join(DAY))
    return path


@pytest.fixture
def long_day(tmp_path: Path) -> Path:
    path = tmp_path / "long.dbn"
    path.write_bytes(metadata().encode() + add(1, "B", 5, 1) * LONG)
    return path


def test_standard_input_and_output(day: Path) -> None:
    done = finish(spawn("reconstruct", "-", "-o", "-", "-q", stdin=subprocess.PIPE), day.read_bytes())
    assert (done.code, done.err) == (0, "")
    through, direct = done.json, command("reconstruct", day).json
    sources = through["metadata"].pop("sources") + direct["metadata"].pop("sources")
    assert [source["file"] for source in sources] == ["-", "day.dbn"]
    assert len({source["sha256"] for source in sources}) == 1
    assert through == direct


def test_a_file_as_standard_input(day: Path) -> None:
    with day.open("rb") as stdin:
        done = finish(spawn("reconstruct", "-", "-q", stdin=stdin))
    assert json.loads(done.out)["metadata"]["records"] == 6


def test_a_slow_pipe_in_pieces(day: Path) -> None:
    process = spawn("reconstruct", "-", "-q", stdin=subprocess.PIPE)
    assert process.stdin is not None
    data = day.read_bytes()
    for at in range(0, len(data), 97):
        process.stdin.write(data[at : at + 97])
        process.stdin.flush()
    done = finish(process)
    assert json.loads(done.out)["checksum"] == command("reconstruct", day).json["checksum"]


def test_a_reader_that_goes_away_ends_it_quietly(long_day: Path) -> None:
    process = spawn("reconstruct", long_day, "--every", "event", "-q")
    assert process.stdout is not None
    process.stdout.read(100)
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), err) == (141, b"")


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Press Ctrl-C until it ends: one just as Python begins to wait for input is seen with the next."""
    for _ in range(10):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(2)
            return


@pytest.mark.parametrize("options", [[], ["--every", "event"]])
def test_an_interrupt_ends_it_at_once_and_leaves_nothing(long_day: Path, options: list[str]) -> None:
    out = long_day.parent / "book.json"
    out.write_text("old")
    process = spawn("reconstruct", "-", "-o", out, *options, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(long_day.read_bytes()[:500_000])  # more than a pipe holds: some of it was read
    interrupt(process)
    done = finish(process)
    assert (done.code, done.err) == (130, "depthcast: interrupted\n")
    assert out.read_text() == "old"
    assert sorted(path.name for path in long_day.parent.iterdir()) == ["book.json", "long.dbn"]


@pytest.mark.parametrize("options", [["-q"], ["-q", "--every", "event"], ["-q", "--picture"]])
def test_a_full_disk_is_an_error(day: Path, options: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = finish(spawn("reconstruct", day, *options, stdout=full))
    assert (done.code, done.err) == (4, "depthcast: error: standard output: no space left on device\n")


def with_closed(streams: str, *arguments: object) -> Result:
    """Run it with streams closed as a shell does: ``>&- 2>&-``."""
    shell = ["sh", "-c", f'exec "$@" {streams}', "sh", *PROGRAM, *map(str, arguments)]
    done = subprocess.run(shell, capture_output=True, check=False, timeout=60)
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_that_is_not_needed(day: Path, streams: str) -> None:
    out = day.parent / "book.json"
    done = with_closed(streams, "reconstruct", day, "-o", out)
    assert (done.code, "error" in done.err) == (0, False)
    assert json.loads(out.read_text())["metadata"]["records"] == 6


def test_a_closed_standard_error_keeps_the_result(day: Path) -> None:
    done = with_closed("2>&-", "reconstruct", day)
    assert (done.code, done.json["metadata"]["records"]) == (0, 6)


@pytest.mark.parametrize("streams", [">&-", ">&- <&-", ">&- 2>&-"])
@pytest.mark.parametrize("options", [[], ["--every", "event"], ["--picture"]])
def test_a_result_for_a_closed_standard_output_is_an_error(
    day: Path, options: list[str], streams: str
) -> None:
    done = with_closed(streams, "reconstruct", day, "-q", *options)
    said = "" if "2>&-" in streams else "depthcast: error: standard output: bad file descriptor\n"
    assert done == (4, "", said)


@pytest.mark.parametrize(
    "arguments",
    [
        ("info",),
        ("audit", "-q"),
        ("convert", "--schema", "mbp-1", "-o", "-", "--format", "dbn", "-q"),
        ("convert", "--schema", "mbp-1", "-o", "-", "--format", "csv", "-q"),
    ],
)
def test_so_it_is_for_other_commands(day: Path, arguments: tuple[str, ...]) -> None:
    done = with_closed(">&-", arguments[0], day, *arguments[1:])
    assert done == (4, "", "depthcast: error: standard output: bad file descriptor\n")


@pytest.mark.parametrize("name", ["reconstruct", "audit", "info"])
def test_a_closed_standard_input_cannot_be_read(name: str) -> None:
    done = with_closed("<&-", name, "-")
    assert (done.code, done.out) == (4, "")
    assert done.err.endswith(": bad file descriptor\n")


def on_a_terminal(*arguments: object) -> str:
    """What a person sees on standard error, on a terminal of 80 columns."""
    master, slave = pty.openpty()
    process = spawn(
        *arguments, stdout=subprocess.DEVNULL, stderr=slave, variables={"TERM": "xterm", "COLUMNS": "80"}
    )
    os.close(slave)
    seen = b""
    while True:
        try:
            piece = os.read(master, 65_536)
        except OSError:  # the other side closed it
            break
        if not piece:
            break
        seen += piece
    os.close(master)
    assert process.wait(60) == 0
    return seen.decode()


def test_progress_is_shown_on_a_terminal_only(long_day: Path) -> None:
    arguments = "reconstruct", long_day, "--engine", "reference"
    shown = on_a_terminal(*arguments)
    assert "MB/s" in shown
    assert "\x1b[?25h" in shown, "the cursor is shown again"
    assert "records" in shown.rpartition("MB/s")[2]
    assert on_a_terminal(*arguments, "-q") == ""


def test_quick_work_shows_no_progress(day: Path) -> None:
    assert "MB/s" not in on_a_terminal("reconstruct", day)


def test_a_pipe_sees_no_progress_and_no_colour(long_day: Path) -> None:
    done = finish(spawn("reconstruct", long_day, "--engine", "reference", stdout=subprocess.DEVNULL))
    assert done.code == 0
    assert "\x1b" not in done.err
    assert len(done.err.splitlines()) == 7
