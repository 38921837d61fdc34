"""Journals of feeds that are to keep none: a temporary folder that goes with the feed, however that ends."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["temporary_journal"]

PREFIX: Final = "depthcast-journal-"


@contextlib.contextmanager
def temporary_journal(parent: Path | None = None) -> Iterator[Path]:
    """A folder that is removed at the end; so are those left by feeds that were killed.

    A living feed holds a lock on its folder, and a dead process holds none. Only folders of this user's are
    looked at.

    Args:
        parent: where such folders are; the system's place for temporary files if not given.
    """
    place = Path(tempfile.gettempdir()) if parent is None else parent
    for left in place.glob(f"{PREFIX}*"):
        _remove_abandoned(left)
    folder, lock = _locked_folder(place)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked_folder(place: Path) -> tuple[Path, int]:
    """A new folder, and the descriptor that holds its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        lock = _lock(folder)
        if lock is not None and folder.exists():
            return folder, lock
        if lock is not None:  # another feed, which starts now, has taken it for abandoned
            os.close(lock)


def _remove_abandoned(folder: Path) -> None:
    """Remove a folder of this user's that nobody holds."""
    with contextlib.suppress(OSError):
        if folder.lstat().st_uid != os.geteuid():
            return
        lock = _lock(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """The lock on a folder; None if it is another's, or the folder is gone or none."""
    try:
        file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file
