"""Objects in S3, or what speaks its protocol.

Address, region and credentials come from the standard ``AWS_*`` variables (`AWS_ENDPOINT_URL`, also plain
http, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, ...), else from the container's or the instance's role.
"""

import contextlib
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from depthcast.errors import JournalError
from depthcast.journal.objects import Listed, ObjectMissingError

__all__ = ["S3Objects"]

_TRIES: Final = 2
"""The uploader tries again by itself; a short answer matters more here."""
_TRY_S: Final = 15
_TIMEOUT: Final = timedelta(seconds=120)
"""Of one request: a large segment over a slow line."""
_NO_BUCKET: Final = "NoSuchBucket"
"""S3's code for it, in the text of its answer."""


class S3Objects:
    """Objects of a bucket, under a prefix (`depthcast.journal.objects.Objects`)."""

    def __init__(self, location: str) -> None:
        parts = urlsplit(location)
        if not parts.netloc:
            raise JournalError("expected s3://bucket/prefix", path=location)
        self.url = location.rstrip("/")
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
        try:
            self._store = S3Store(
                parts.netloc,
                prefix=parts.path.strip("/") or None,
                client_options={"allow_http": endpoint.startswith("http://"), "timeout": _TIMEOUT},
                retry_config={"max_retries": _TRIES, "retry_timeout": timedelta(seconds=_TRY_S)},
            )
        except (BaseError, ValueError) as error:
            raise JournalError(f"cannot be opened: {_first_line(error)}", path=location) from error

    def put_new(self, key: str, data: bytes | Path) -> bool:
        with self._about(key):
            try:
                obstore.put(self._store, key, data, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
            return True

    def put(self, key: str, data: bytes | Path) -> None:
        with self._about(key):
            obstore.put(self._store, key, data)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        with self._about(key):
            if length is not None:
                return bytes(obstore.get_range(self._store, key, start=start, length=length))
            whole = obstore.get(self._store, key, options={"range": {"offset": start}} if start else None)
            return bytes(whole.bytes())

    def listed(self, prefix: str, after: str | None = None) -> Iterator[Listed]:
        with self._about(prefix):
            for page in obstore.list(self._store, prefix, offset=after, chunk_size=1000):
                for found in page:
                    yield Listed(found["path"], found["size"])

    def folders(self, prefix: str) -> list[str]:
        with self._about(prefix):
            found = obstore.list_with_delimiter(self._store, prefix)["common_prefixes"]
            return sorted(f"{folder.rstrip('/')}/" for folder in found)

    def delete(self, key: str) -> None:
        with self._about(key), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, key)

    @contextlib.contextmanager
    def _about(self, key: str) -> Iterator[None]:
        path = f"{self.url}/{key}"
        try:
            yield
        except FileNotFoundError as error:
            if _NO_BUCKET in str(error):
                raise JournalError("there is no such bucket: make it first", path=self.url) from None
            raise ObjectMissingError("there is no such object", path=path) from error
        except (BaseError, OSError, ValueError) as error:
            if _NO_BUCKET in str(error):
                raise JournalError("there is no such bucket: make it first", path=self.url) from error
            raise JournalError(
                f"the store does not answer or refuses: {_first_line(error)}", path=path
            ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].partition(": <?xml")[0]
