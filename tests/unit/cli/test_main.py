"""The frame of the command: help, dispatch, and how every failure ends."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from depthcast.cli import _main
from depthcast.cli._errors import Exit, about_file, guarded
from depthcast.cli._main import COMMANDS
from depthcast.errors import (
    BookError,
    DBNError,
    DepthcastError,
    RecordError,
    SettingsError,
    UnknownBookError,
    UsageError,
)
from tests.support.command import command
from tests.tidy.project import ROOT


def raising(error: BaseException) -> Callable[[], int]:
    def fail() -> int:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (UsageError("no such thing"), 2, "no such thing"),
        (SettingsError("bad setting"), 2, "bad setting"),
        (UnknownBookError("no book of 7"), 2, "no book of 7"),
        (BookError("no"), 2, "no"),
        (DBNError("cut short", path="a.dbn", offset=8), 3, "a.dbn: byte 8: cut short"),
        (RecordError("broken", offset=3, applied=0), 3, "byte 3: broken"),
        (DepthcastError("something\nin two lines"), 3, "something in two lines"),
        (FileNotFoundError(2, "No such file or directory", "a.dbn"), 4, "a.dbn: no such file or directory"),
        (OSError(5, "Input/output error"), 4, "input/output error"),
        (OSError("odd"), 4, "odd"),
        (MemoryError(), 4, "out of memory"),
    ],
)
def test_an_error_is_one_line_and_a_code(
    error: Exception, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(raising(error), debug=False) == code
    assert capsys.readouterr().err == f"depthcast: error: {says}\n"


def test_what_is_not_foreseen_is_called_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raising(ZeroDivisionError("x")), debug=False) == 1
    err = capsys.readouterr().err
    assert "internal error: ZeroDivisionError at test_main.py:" in err
    assert "please report it" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), UsageError("x"), OSError("x")])
def test_debug_shows_the_traceback(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    guarded(raising(error), debug=True)
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_debug_is_asked_for_by_option_or_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _main.run(["reconstruct", "no-such-file", "--debug"])
    assert "Traceback" in capsys.readouterr().err
    _main.run(["reconstruct", "no-such-file", "--", "--debug"])
    assert "Traceback" not in capsys.readouterr().err
    monkeypatch.setenv("DEPTHCAST_DEBUG", "1")
    _main.run(["reconstruct", "no-such-file"])
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_and_a_broken_pipe_have_their_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raising(KeyboardInterrupt()), debug=False) == 130
    assert capsys.readouterr().err == "depthcast: interrupted\n"
    assert guarded(raising(BrokenPipeError(32, "Broken pipe")), debug=False) == 141
    assert capsys.readouterr().err == ""


def test_an_error_without_a_file_gets_its_name() -> None:
    with pytest.raises(OSError, match="full") as error, about_file("out.json"):
        raise OSError(28, "full")
    assert error.value.filename == "out.json"
    with pytest.raises(OSError, match="gone") as error, about_file("out.json"):
        raise OSError(2, "gone", "other")
    assert error.value.filename == "other"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["reconstrct"], "no command 'reconstrct'; did you mean reconstruct?"),
        (["zzz"], "no command 'zzz'; there are reconstruct, convert"),
        (["--zzz"], "--zzz"),
        (["config", "--jsn"], '"--jsn". Did you mean "--json"?'),
        (["config", "extra"], "extra"),
        (["config", "--set", "engine.kind"], "--set: expected KEY=VALUE, got 'engine.kind'"),
        (["config", "--set", "=x"], "--set: expected KEY=VALUE"),
        (["config", "--environment", "nowhere"], "no such file for environment 'nowhere'"),
    ],
)
def test_wrong_usage_is_code_2_in_one_line(arguments: list[str], says: str) -> None:
    result = command(*arguments)
    assert result.code == Exit.USAGE
    assert result.out == ""
    assert result.err.startswith("depthcast: error: ")
    assert says.replace('"', "") in result.err.replace('"', "")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["reconstruct", ""],
        ["reconstruct", "day.dbn", ""],
        ["reconstruct", "day.dbn", "-o", ""],
        ["convert", "", "--schema", "mbp-1", "-o", "out.dbn"],
        ["convert", "day.dbn", "--schema", "mbp-1", "--output="],
        ["audit", ""],
        ["audit", "day.dbn", "-o", ""],
        ["info", ""],
        ["simulate", "-o", ""],
    ],
    ids=" ".join,
)
def test_an_empty_path_is_wrong_usage(arguments: list[str]) -> None:
    done = command(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err == "depthcast: error: a file's name is empty (standard input and output are -)\n"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_command_and_exit_code(arguments: list[str]) -> None:
    result = command(*arguments)
    assert result.code == 0
    for name, registered in COMMANDS.items():
        assert name in result.out
        assert registered.summary in result.out
    for code in Exit:
        assert re.search(rf"\b{int(code)} [a-z]", result.out)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_has_an_example_and_exit_codes(name: str) -> None:
    result = command(name, "--help")
    assert result.code == 0
    assert f"depthcast {name}" in result.out.split("xample", 1)[1]
    assert "Exit codes: 0 ok" in result.out


def test_version() -> None:
    assert command("--version") == (0, "0.1.0\n", "")


def test_every_exit_code_is_documented() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    for code in Exit:
        assert f"| {int(code)} |" in page


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--version"], {"numpy", "pandas", "databento_dbn"}),
        (["config"], {"rich", "numpy", "pandas", "databento_dbn"}),
        (["--help"], {"numpy", "pandas", "databento_dbn", "rich.markdown"}),
        (["reconstruct", "--help"], {"numpy", "pandas", "databento_dbn", "rich.markdown"}),
        (["reconstruct", "--depth", "no", "x"], {"numpy", "rich", "databento_dbn"}),
        (["reconstruct", "no-such-file"], {"rich", "pandas", "pyarrow", "databento", "sortedcontainers"}),
    ],
)
def test_nothing_is_loaded_that_is_not_needed(arguments: list[str], absent: set[str], tmp_path: Path) -> None:
    code = (
        "import sys; from depthcast.cli import main; main(sys.argv[1:]); "
        "print('loaded', *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    loaded = set(done.stderr.rpartition("loaded")[2].split())
    assert "cyclopts" in loaded
    assert not loaded & absent
