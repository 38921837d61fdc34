"""Connecting to the database, and what its errors mean."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import asyncpg

from depthcast.errors import StoreError

__all__ = ["Connection", "about_database", "connected"]

if TYPE_CHECKING:
    Connection = asyncpg.Connection[Any]
else:
    Connection = asyncpg.Connection  # it is generic for type checkers only

_CONNECT_S: Final = 10.0
_KEEPALIVE: Final = {
    # A server that is gone without a word is noticed after 30 + 3 * 10 s of silence.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
_TEMPORARY: Final = {"temp_buffers": "64MB"}
"""Taken as needed: a segment's rows wait in temporary tables."""


@asynccontextmanager
async def connected(url: str, *, command_timeout_s: float = 600.0) -> AsyncIterator[Connection]:
    """A connection to the database, closed at the end of the block.

    Args:
        url: ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``.
        command_timeout_s: how long one statement may take: the server may have gone without a word.

    Raises:
        StoreError: there is no connection, or the database fails or refuses something.
    """
    with about_database(url):
        connection: Connection = await asyncpg.connect(
            url,
            timeout=_CONNECT_S,
            command_timeout=command_timeout_s,
            server_settings={
                "application_name": "depthcast",
                "timezone": "UTC",
                "jit": "off",
                **_KEEPALIVE,
                **_TEMPORARY,
            },
        )
        try:
            yield connection
        except BaseException:
            connection.terminate()
            raise
        await connection.close()


@contextmanager
def about_database(url: str) -> Iterator[None]:
    """Name the database in what it raises, without the password."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        where = urlsplit(url)
        said = str(error) or type(error).__name__
        raise StoreError(f"database {where.hostname}:{where.port or 5432}{where.path}: {said}") from error
