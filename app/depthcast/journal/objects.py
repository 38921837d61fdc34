"""Where closed segments are kept: a folder, or a bucket, behind one small interface."""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from depthcast.errors import JournalError

__all__ = ["FolderObjects", "Listed", "ObjectMissingError", "Objects", "open_objects"]


class ObjectMissingError(JournalError):
    """There is no such object (any more)."""


class Listed(NamedTuple):
    """An object of a listing."""

    key: str
    size: int


class Objects(Protocol):
    """Objects by key. Any thread may call.

    All raise JournalError where the store cannot be reached or refuses, naming the object.
    """

    @property
    def url(self) -> str:
        """The place, for people."""

    def put_new(self, key: str, data: bytes | Path) -> bool:
        """Store an object if there is none of that key; whether it was stored. It is durable then."""

    def put(self, key: str, data: bytes | Path) -> None:
        """Store an object in any case."""

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """So many bytes from ``start`` on; to the end where no length is given.

        Raises:
            ObjectMissingError: there is no such object.
        """

    def listed(self, prefix: str, after: str | None = None) -> Iterator[Listed]:
        """The objects under a prefix (ending in ``/``), in the order of keys; only those after ``after``."""

    def folders(self, prefix: str) -> list[str]:
        """The prefixes one level below this one, each ending in ``/``, in order."""

    def delete(self, key: str) -> None:
        """Remove an object; none is no error."""


def open_objects(location: str) -> Objects:
    """A folder's path, or ``s3://bucket/prefix``.

    Raises:
        JournalError: an address of another kind, or without a bucket.
    """
    if "://" not in location:
        return FolderObjects(Path(location))
    if not location.startswith("s3://"):
        raise JournalError("a journal is kept in a folder or under s3://bucket/prefix", path=location)
    from depthcast.journal.s3 import S3Objects  # its library takes time to load

    return S3Objects(location)


class FolderObjects:
    """Objects as the files of a folder; what was put is on the disk when the call returns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def url(self) -> str:
        return str(self.folder)

    def path(self, key: str) -> Path:
        return self.folder / key

    def put_new(self, key: str, data: bytes | Path) -> bool:
        path = self.path(key)
        with _writing(path), self._written(path, data) as part:
            try:
                os.link(part, path)
            except FileExistsError:
                return False
            sync_folder(path.parent)
            return True

    def put(self, key: str, data: bytes | Path) -> None:
        path = self.path(key)
        with _writing(path), self._written(path, data) as part:
            part.replace(path)
            sync_folder(path.parent)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        path = self.path(key)
        with _about(path):
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                left = os.fstat(file).st_size - start if length is None else length
                return read_exactly(file, start, left)
            finally:
                os.close(file)

    def listed(self, prefix: str, after: str | None = None) -> Iterator[Listed]:
        with _about(self.folder / prefix):
            found = sorted(self._files(prefix))
        for key, size in found:
            if after is None or key > after:
                yield Listed(key, size)

    def folders(self, prefix: str) -> list[str]:
        path = self.folder / prefix
        try:
            with _about(path), os.scandir(path) as entries:
                return sorted(f"{prefix}{entry.name}/" for entry in entries if entry.is_dir())
        except ObjectMissingError:
            return []

    def delete(self, key: str) -> None:
        with _about(self.path(key)):
            self.path(key).unlink(missing_ok=True)

    def _files(self, prefix: str) -> Iterator[tuple[str, int]]:
        try:
            with os.scandir(self.folder / prefix) as entries:
                found = list(entries)
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in found:
            key = prefix + entry.name
            if entry.is_dir():
                yield from self._files(key + "/")
            elif not entry.name.startswith("."):
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    yield key, entry.stat().st_size

    @contextlib.contextmanager
    def _written(self, path: Path, data: bytes | Path) -> Iterator[Path]:
        """The data in a synced file beside its place, for as long as the block lasts."""
        make_folder(path.parent)
        part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
        try:
            with part.open("xb") as file:
                if isinstance(data, Path):
                    with data.open("rb") as source:
                        shutil.copyfileobj(source, file)
                else:
                    file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield part
        finally:
            part.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder, and those it is in, durably."""
    if not folder.is_dir():
        if folder.exists():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_exactly(file: int, start: int, length: int) -> bytes:
    """So many bytes of an open file; fewer only where it ends."""
    data = os.pread(file, length, start)
    if len(data) == length or not data:
        return data
    pieces = [data]
    got = len(data)
    while got < length and (data := os.pread(file, length - got, start + got)):
        pieces.append(data)
        got += len(data)
    return b"".join(pieces)


@contextlib.contextmanager
def _about(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ObjectMissingError("there is no such file", path=str(path)) from error
    except OSError as error:
        raise JournalError(explain(error), path=str(path)) from error


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        folder = isinstance(error, (FileNotFoundError, NotADirectoryError)) and error.filename
        raise JournalError(explain(error), path=str(folder or path)) from error


def explain(error: OSError) -> str:
    """What an error of the file system means for a journal, and what to do."""
    reason = (error.strerror or str(error)).lower()
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{reason}: make room there; the journal goes on by itself"
    if error.errno == errno.EFBIG:
        return f"{reason}: raise the limit on file sizes, or lower journal.segment_bytes"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{reason}: the journal's folder must be writable"
    if error.errno == errno.EIO:
        return f"{reason}: the disk fails; give the journal another folder"
    return reason
