"""Making the file of an export: rows from one cursor of the server, through an encoder, into a file."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

from depthcast.errors import UsageError
from depthcast.store.connect import Connection
from depthcast.store.exports import Export, Written
from depthcast.store.history.encoders import Encoder, make_encoder
from depthcast.store.history.fields import Kind
from depthcast.store.history.query import key_of, stream

__all__ = ["write_file"]

_CHUNK: Final = 2_000
_DEPTH_CHUNK: Final = 500
_US: Final = 1_000


async def write_file(
    connection: Connection,
    export: Export,
    path: Path,
    *,
    max_rows: int,
    on_progress: Callable[[Written], None],
) -> tuple[Written, str]:
    """Write an export's file; what was written, and its SHA-256 in hexadecimal.

    The rows are those of one moment, however long it takes. Memory does not depend on their number.

    Args:
        connection: as the reader; in no transaction.
        export: which.
        path: of the file, which is made.
        max_rows: the most there may be.
        on_progress: told how far it is, after every piece.

    Raises:
        UsageError: there are more rows, or the format needs a library that is not there.
        OSError: the file cannot be written.
        asyncpg.PostgresError, asyncpg.InterfaceError: the database fails.
    """
    query = export.order.query
    encoder = await asyncio.to_thread(make_encoder, export.order.format, query, export.order.named)
    digest = hashlib.sha256()
    written = Written()
    with path.open("xb") as file:
        size = await asyncio.to_thread(_put, file, digest, encoder.begin())
        chunk = _DEPTH_CHUNK if query.kind is Kind.DEPTH else _CHUNK
        async for rows in stream(connection, query, chunk):
            size += await asyncio.to_thread(_put_rows, file, digest, encoder, rows)
            reached = int(key_of(query, rows[-1])[0]) * _US
            written = Written(written.rows + len(rows), size, reached)
            if written.rows > max_rows:
                raise UsageError(f"there are more than {max_rows:,} rows: ask for a shorter range")
            on_progress(written)
        size += await asyncio.to_thread(lambda: _put(file, digest, encoder.end()))
    return written._replace(bytes=size), digest.hexdigest()


def _put_rows(file: BinaryIO, digest: Any, encoder: Encoder, rows: Sequence[Any]) -> int:
    return _put(file, digest, encoder.rows(rows))


def _put(file: BinaryIO, digest: Any, data: bytes) -> int:
    digest.update(data)
    file.write(data)
    return len(data)
