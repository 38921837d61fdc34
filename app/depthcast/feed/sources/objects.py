"""An object in S3 as a stream of bytes, from any offset on, that survives lost connections."""

import datetime as dt
import io
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import BaseError, NotFoundError, PreconditionError
from obstore.store import S3Store

from depthcast.errors import SourceError

if TYPE_CHECKING:
    from obstore import GetOptions

__all__ = ["ObjectStream", "open_object"]

PIECE_BYTES: Final = 64 << 10
"""What a broken connection loses at most, and is asked for again."""
ATTEMPTS: Final = 6
"""Requests without a byte in between before the source gives up; obstore retries each by itself too."""
FIRST_PAUSE_S: Final = 0.2
REQUEST_TIMEOUT: Final = dt.timedelta(hours=1)
"""One request streams the rest of an object, as fast as the feed wants it."""
RETRY_TIMEOUT: Final = dt.timedelta(seconds=15)


def open_object(url: str) -> "ObjectStream":
    """Open ``s3://bucket/key``. Credentials, region and endpoint come from the environment (``AWS_*``).

    Raises:
        SourceError: it is not there, or cannot be asked for.
    """
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if not bucket or not key:
        raise SourceError(f"{url}: expected s3://BUCKET/KEY")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
    try:
        store = S3Store(
            bucket,
            client_options={"allow_http": endpoint.startswith("http://"), "timeout": REQUEST_TIMEOUT},
            retry_config={"max_retries": 2, "retry_timeout": RETRY_TIMEOUT},
        )
    except (BaseError, ValueError) as error:
        raise SourceError(f"{url}: {_first_line(error)}") from error
    return ObjectStream(store, key, url)


class ObjectStream(io.RawIOBase):
    """The bytes of one version of an object, in order from where it was last set to.

    Raises:
        SourceError: it is not there, is replaced while it is read, or the store fails again and again.
    """

    def __init__(self, store: S3Store, key: str, url: str) -> None:
        self.name = url
        self._store = store
        self._key = key
        try:
            found = obstore.head(store, key)
        except (NotFoundError, FileNotFoundError):
            raise SourceError(f"{url}: no such object") from None
        except BaseError as error:
            raise SourceError(f"{url}: {_first_line(error)}") from error
        self.size = found["size"]
        self._e_tag = found["e_tag"]
        self._at = 0
        self._pieces: Iterator[object] = iter(())
        self._ready = memoryview(b"")
        self._streaming = False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        if base + offset != self._at:
            self._at = base + offset
            self._drop()
        return self._at

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        failed = 0
        while not self._ready and self._at < self.size:
            try:
                self._advance()
            except PreconditionError:
                raise SourceError(f"{self.name}: the object was replaced while it was read") from None
            except BaseError as error:
                self._drop()
                failed += 1
                if failed == ATTEMPTS:
                    raise SourceError(
                        f"{self.name}: byte {self._at:,}: {_first_line(error)} ({failed} attempts)"
                    ) from error
                time.sleep(FIRST_PAUSE_S * 2 ** (failed - 1))
        got = min(len(target), len(self._ready))
        target[:got] = self._ready[:got]
        self._ready = self._ready[got:]
        self._at += got
        return got

    def _advance(self) -> None:
        """Get the next piece; a new request where there is none under way."""
        if not self._streaming:
            options: GetOptions = {"range": {"offset": self._at}}
            if self._e_tag is not None:
                options["if_match"] = self._e_tag
            result = obstore.get(self._store, self._key, options=options)
            self._pieces = iter(result.stream(PIECE_BYTES))
            self._streaming = True
        piece = next(self._pieces, None)
        if piece is None:  # ended before the object does: ask again from here
            self._drop()
        else:
            self._ready = memoryview(piece)  # type: ignore[arg-type]

    def _drop(self) -> None:
        self._pieces = iter(())
        self._ready = memoryview(b"")
        self._streaming = False


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
