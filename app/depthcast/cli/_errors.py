"""Errors to exit codes: every failure is one clear line on standard error, and a documented code."""

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path

from depthcast.cli._console import printable
from depthcast.errors import (
    BookError,
    DBNError,
    DepthcastError,
    JournalError,
    KeyStoreError,
    SettingsError,
    SourceError,
    StoreError,
    UsageError,
)

__all__ = ["Exit", "about_file", "guarded"]


class Exit(IntEnum):
    """Exit codes of every command (docs/cli.md)."""

    OK = 0
    BUG = 1
    """An unexpected internal error."""
    USAGE = 2
    """The command cannot be carried out as asked, or a setting is wrong."""
    DATA = 3
    """The data is not what it should be: not DBN, cut short, broken."""
    FILE = 4
    """A file cannot be read or written."""
    AUDIT = 5
    """The audit found a hard rule violated."""
    INTERRUPTED = 130
    BROKEN_PIPE = 141


def guarded(command: Callable[[], int], *, debug: bool) -> int:
    """Run ``command``; whatever it raises becomes one line on standard error and an exit code."""
    try:
        code = command()
        with about_file("standard output"):
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        _silence_stdout()
        return Exit.BROKEN_PIPE
    except KeyboardInterrupt:
        _say("interrupted")
        return Exit.INTERRUPTED
    except (DepthcastError, OSError, MemoryError) as error:
        if debug:
            traceback.print_exc()
        _say(f"error: {_describe(error)}")
        _silence_stdout()
        return _code(error)
    except Exception as error:
        _report_bug(error, debug=debug)
        return Exit.BUG


@contextmanager
def about_file(path: str) -> Iterator[None]:
    """Name the file in an OSError that does not: a failing read, a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = path
        raise


def _code(error: DepthcastError | OSError | MemoryError) -> Exit:
    match error:
        case UsageError() | SettingsError() | BookError():
            return Exit.USAGE
        case OSError() | MemoryError() | KeyStoreError():
            return Exit.FILE
        case SourceError() | JournalError() | StoreError() if isinstance(error.__cause__, OSError):
            return Exit.FILE
    return Exit.DATA


def _describe(error: DepthcastError | OSError | MemoryError) -> str:
    if isinstance(error, OSError) and error.strerror:
        acronym = error.strerror[1:2].isupper()  # TLS
        reason = error.strerror if acronym else error.strerror[:1].lower() + error.strerror[1:]
        return f"{os.fspath(error.filename)}: {reason}" if error.filename is not None else reason
    text = " ".join(str(error).split()) or "out of memory"
    if isinstance(error, DBNError) and error.path == "-":
        return "standard input" + text.removeprefix("-")
    return text


def _report_bug(error: Exception, *, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    where = traceback.extract_tb(error.__traceback__)[-1]
    _say(f"error: internal error: {type(error).__name__} at {Path(where.filename).name}:{where.lineno}")
    _say("this is a bug in Depthcast: please report it, with what the same command prints with --debug")


def _say(line: str) -> None:
    with suppress(OSError):  # nobody reads standard error any more: the exit code still tells
        print(f"depthcast: {printable(line)}", file=sys.stderr, flush=True)


def _silence_stdout() -> None:
    """Nobody gets our output any more: keep the interpreter from failing once more when it exits."""
    with suppress(OSError, ValueError):  # ValueError: a stream in memory, as tests use
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
