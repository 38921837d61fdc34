"""Where a result goes: standard output, or a file that appears whole or not at all."""

import errno
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from depthcast.cli._console import is_terminal
from depthcast.cli._errors import about_file
from depthcast.errors import UsageError

__all__ = ["check_dbn_output", "check_output", "open_output", "print_out"]

_DBN_ENDINGS: Final = (".dbn", ".dbn.zst")


def check_output(output: str, inputs: Sequence[str]) -> None:
    """Say at once what would stop the writing at the end.

    Raises:
        UsageError: the output is one of the inputs.
        OSError: its folder is not there.
    """
    if output == "-":
        return
    with about_file(output):
        if not Path(output).resolve().parent.is_dir():
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for path in inputs:
        with suppress(OSError):  # one of them is not there (yet)
            if path != "-" and Path(output).samefile(path):
                raise UsageError(f"{output} is both read and written: give another name to -o")


def check_dbn_output(output: str) -> None:
    """Refuse what DBN does not belong in: a terminal, or a file whose name says that it is something else.

    Raises:
        UsageError: it is one of these.
        OSError: its folder is not there.
    """
    if output == "-" and is_terminal(sys.stdout):
        raise UsageError("DBN is not for a terminal: give -o FILE.dbn, or send it through a pipe")
    if output != "-" and not output.lower().endswith(_DBN_ENDINGS) and not _is_device(output):
        endings = " or ".join(_DBN_ENDINGS)
        raise UsageError(f"-o {output}: DBN is written, so give a name that ends in {endings}")
    check_output(output, [])


def _is_device(output: str) -> bool:
    """Whether ``output`` is there and no regular file: /dev/null or a named pipe, whatever its name."""
    return Path(output).exists() and not Path(output).is_file()


@contextmanager
def open_output(output: str) -> Iterator[BinaryIO]:
    """Write to ``output``; ``-`` is standard output.

    A file is written under a temporary name in its folder and takes its name when all is written, so whoever
    looks sees the old content or the whole new one. Devices and named pipes are written as they are.
    """
    if output == "-":
        with about_file("standard output"):
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        return
    path = Path(output)
    with about_file(output):
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            with path.open("wb") as stream:
                yield stream
            return
        path = path.resolve()  # through a link, to the file that it names
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with temporary.open("xb") as stream:
                yield stream
            temporary.replace(path)
        except BaseException as error:
            temporary.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.filename == str(temporary):
                error.filename = output
            raise


def print_out(text: str) -> None:
    """Write text, with its own line ends, to standard output."""
    with about_file("standard output"):
        sys.stdout.write(text)
