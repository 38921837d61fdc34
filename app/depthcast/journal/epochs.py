"""Epochs: each writer's life has a number of its own, and a greater one shuts the smaller ones out."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from depthcast.errors import FencedError, JournalError
from depthcast.journal.names import OPEN, Journal, SegmentName, epoch_of
from depthcast.journal.objects import FolderObjects, Objects, explain, make_folder

__all__ = ["FolderLock", "check_fence", "take_epoch"]

_TRIES: Final = 100
_EPOCHS_KEPT: Final = 100


def take_epoch(journal: Journal, folder: FolderObjects, store: Objects | None, now_ns: int) -> int:
    """Take the next epoch, with a conditional write in the store first and in the folder then.

    Raises:
        JournalError: the store or the folder cannot be written.
    """
    claim = {
        "format": 1,
        "taken_ns": str(now_ns),
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }
    places: list[Objects] = [folder] if store is None else [store, folder]
    for _ in range(_TRIES):
        epoch = 1 + max(0, _newest_left(journal, folder), *(_newest(journal, place) for place in places))
        data = json.dumps({"epoch": epoch, **claim}, indent=2).encode() + b"\n"
        if all(place.put_new(journal.epoch_key(epoch), data) for place in places):
            _forget_old(journal, folder, epoch)
            return epoch
    raise JournalError(
        "other writers take every epoch that is tried: let one of them run", path=places[0].url
    )


def check_fence(journal: Journal, place: Objects, epoch: int) -> None:
    """Hold an epoch to those that were taken.

    Raises:
        FencedError: there is a newer one.
        JournalError: the store cannot be asked.
    """
    for listed in place.listed(journal.epochs, after=journal.epoch_key(epoch)):
        newer = epoch_of(listed.key)
        if newer is not None:
            raise FencedError(
                f"a newer writer (epoch {newer}) has taken the journal over from this one (epoch {epoch})",
                path=f"{place.url}/{journal.prefix}",
            )


class FolderLock:
    """The lock on a journal's folder, held by its living writer. A dead process holds none."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._file: int | None = None

    def take(self, wait_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Take the lock, once the writer that has it lets it go.

        Raises:
            JournalError: it does not in this time.
        """
        try:
            make_folder(self._path.parent)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise JournalError(explain(error), path=str(self._path)) from error
        deadline = monotonic() + wait_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if monotonic() >= deadline:
                    holder = os.pread(file, 32, 0).decode(errors="replace").strip() or "unknown"
                    os.close(file)
                    raise JournalError(
                        f"another writer (process {holder}) holds it and did not give it up in {wait_s:g} s: "
                        "end that process, or give this one another folder",
                        path=str(self._path),
                    ) from None
                time.sleep(0.05)
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file

    def release(self) -> None:
        """Let it go; more than once is no error."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _forget_old(journal: Journal, folder: FolderObjects, epoch: int) -> None:
    """Remove the folder's oldest epochs, which is looked at with every sync; the newest is what counts."""
    for listed in folder.listed(journal.epochs):
        if (epoch_of(listed.key) or epoch) < epoch - _EPOCHS_KEPT:
            folder.delete(listed.key)


def _newest(journal: Journal, place: Objects) -> int:
    return max((epoch_of(listed.key) or 0 for listed in place.listed(journal.epochs)), default=0)


def _newest_left(journal: Journal, folder: FolderObjects) -> int:
    """The newest epoch of an open segment in the folder, whatever became of the epochs' own files."""
    names = (SegmentName.parse(listed.key, OPEN) for listed in folder.listed(journal.open))
    return max((name.epoch for name in names if name is not None), default=0)
