"""A document in a file that only its owner may read, and that is only ever replaced as a whole."""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Generic, TypeVar

from depthcast.errors import KeyStoreError

__all__ = ["PrivateFile"]

MAX_FILE_BYTES: Final = 16 << 20

T = TypeVar("T")


class PrivateFile(Generic[T]):
    """An unchanging value, as a document in a file that only its owner may read.

    The file is replaced as a whole, under a lock beside it (``.NAME.lock``); reading takes no lock and reads
    again only if the file has changed.

    Args:
        path: the file; where there is none, the value is ``empty``.
        empty: the value of no file.
        parse: the value of a document. What it raises as KeyStoreError is told with the path.
        encode: a value's document.
    """

    def __init__(
        self, path: Path, *, empty: T, parse: Callable[[bytes], T], encode: Callable[[T], bytes]
    ) -> None:
        self.path = path
        self._empty = empty
        self._from_document = parse
        self._encode = encode
        self._stamp: tuple[int, ...] | None = None
        self._value = empty

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> T:
        """The value as it is now.

        Raises:
            KeyStoreError: the file cannot be read, is not what it should be, or others may read it.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            self._stamp, self._value = None, self._empty
            return self._value
        except OSError as error:
            raise self._error(_reason(error)) from error
        try:
            found = os.fstat(descriptor)
            self._check(found)
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                self._stamp = None
                with os.fdopen(descriptor, "rb", closefd=False) as file:
                    self._value = self._parse(file.read())
                self._stamp = stamp
        finally:
            os.close(descriptor)
        return self._value

    def change(self, change: Callable[[T], T]) -> T:
        """Replace the value by what ``change`` makes of it, and return that.

        Raises:
            KeyStoreError: as for `read`, or it cannot be written. What was stored is then untouched.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock():
                changed = change(self.read())
                self._write(self._encode(changed))
                return changed
        except OSError as error:
            raise self._error(_reason(error)) from error

    def _check(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise self._error("not a file")
        if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            mode = stat.S_IMODE(found.st_mode)
            raise self._error(f"others than its owner may use it (mode {mode:04o}): chmod 600 {self.path}")
        if found.st_size > MAX_FILE_BYTES:
            raise self._error(f"{found.st_size:,} bytes are no list of keys")

    def _parse(self, document: bytes) -> T:
        try:
            return self._from_document(document)
        except KeyStoreError as error:
            raise self._error(str(error)) from None

    @contextmanager
    def _lock(self) -> Iterator[None]:
        name = self.path.with_name(f".{self.path.name}.lock")
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, document: bytes) -> None:
        target = self.path.resolve()  # through a link, to the file that it names
        temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
        temporary.unlink(missing_ok=True)  # of an earlier process of our number; the lock is ours
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if target.exists() and (before := target.stat()).st_uid != os.geteuid():
                    os.fchown(descriptor, before.st_uid, before.st_gid)  # root changes a service's own keys
                file.write(document)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _error(self, reason: str) -> KeyStoreError:
        return KeyStoreError(reason, path=str(self.path))


def _reason(error: OSError) -> str:
    reason = error.strerror or str(error)
    return reason[:1].lower() + reason[1:]
