"""Connecting to the database, and what its errors mean."""

import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import SplitResult, urlsplit

import asyncpg

from depthcast.errors import StoreError
from depthcast.settings.sections import DatabaseSettings
from depthcast.store.passwords import Password, iam_token, secret_password

__all__ = ["FAILURES", "Connection", "Database", "about_database", "connect", "connected"]

if TYPE_CHECKING:
    Connection = asyncpg.Connection[Any]
else:
    Connection = asyncpg.Connection  # it is generic for type checkers only

FAILURES: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # where the server ended the connection while it was idle
    OSError,
)
"""What the database, or the way there, raises."""

_CONNECT_S: Final = 10.0
_STATEMENT_S: Final = 600.0
_KEEPALIVE: Final = {
    # After 30 + 3 * 10 s of silence a server notices that we are gone; so do we (`_keep_alive`).
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
_SOCKET_OPTIONS: Final = {
    "TCP_KEEPIDLE": 30,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 60_000,
}
_TEMPORARY: Final = {"temp_buffers": "64MB"}
"""Taken as needed: a segment's rows wait in temporary tables."""
_CLOSED_CHUNKS: Final = {"timescaledb.max_tuples_decompressed_per_dml_transaction": "0"}
"""A late segment may change as many closed rows as it has. Without TimescaleDB it means nothing."""


@dataclass(frozen=True, slots=True)
class Database:
    """Where a database is, and how to connect to it. Shown without its password.

    Attributes:
        url: ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``.
        password: gives the password for each new connection; None if the address has it.
        tls_root: certificates of whom to trust. With them only TLS is spoken, and only with the host of the
            address; without them the address may ask for TLS (``?sslmode=``), else it is used where offered.
        statement_s: how long one statement may take: the server may have gone without a word.
        max_age_s: how long a pool keeps a connection, so that it follows the server to another machine.
    """

    url: str = field(repr=False)
    password: Password | None = field(default=None, repr=False)
    tls_root: Path | None = None
    statement_s: float = _STATEMENT_S
    max_age_s: float = 300.0

    @classmethod
    def of(cls, settings: DatabaseSettings, *, url: str = "") -> Self:
        """The database of the settings; or of this address, with all else as they say."""
        address = url or (settings.url.reveal() if settings.url is not None else "")
        password = None
        if settings.auth == "iam":
            password = iam_token(address)
        elif settings.auth == "secret":
            password = secret_password(settings.secret_id)
        return cls(address, password, settings.tls_root, settings.statement_s, settings.max_age_s)

    def __str__(self) -> str:
        parts = _parts(self.url)
        if parts is None:
            return "database"
        return f"database {parts.hostname}:{parts.port or 5432}{parts.path}"


@asynccontextmanager
async def connected(
    database: str | Database, *, command_timeout_s: float | None = None
) -> AsyncIterator[Connection]:
    """A connection to the database, closed at the end of the block.

    Args:
        database: its address, or its description.
        command_timeout_s: how long one statement may take; by default as the description says, 600 s for an
            address.

    Raises:
        StoreError: there is no connection, or the database fails or refuses something.
    """
    with about_database(database):
        connection = await connect(database, command_timeout_s=command_timeout_s)
        try:
            yield connection
        except BaseException:
            connection.terminate()
            raise
        await connection.close()


async def connect(
    database: str | Database, *, command_timeout_s: float | None = None, kind: type[Connection] = Connection
) -> Connection:
    """A connection, of this class, which is the caller's to close.

    Raises:
        StoreError: the address is none, the password or the certificates cannot be had.
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError: there is no connection.
    """
    where = Database(database) if isinstance(database, str) else database
    if _parts(where.url) is None:
        raise StoreError(
            "the database's address must be postgresql://USER:PASSWORD@HOST:PORT/NAME, "
            "with what is special in the password as %XX"
        )
    more: dict[str, Any] = {}
    if where.password is not None:
        more["password"] = where.password
    if where.tls_root is not None:
        more["ssl"] = _trusting(where.tls_root)
    connection: Connection = await asyncpg.connect(
        where.url,
        timeout=_CONNECT_S,
        command_timeout=where.statement_s if command_timeout_s is None else command_timeout_s,
        server_settings={
            "application_name": "depthcast",
            "timezone": "UTC",
            "jit": "off",
            **_KEEPALIVE,
            **_TEMPORARY,
            **_CLOSED_CHUNKS,
        },
        connection_class=kind,
        **more,
    )
    _keep_alive(connection)
    return connection


@contextmanager
def about_database(database: str | Database) -> Iterator[None]:
    """Name the database in what it raises, without the password."""
    try:
        yield
    except FAILURES as error:
        where = Database(database) if isinstance(database, str) else database
        said = str(error) or type(error).__name__
        raise StoreError(f"{where}: {said}") from error


def _parts(url: str) -> SplitResult | None:
    """The parts of an address; None if it is none, as where a password is not quoted."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("postgresql", "postgres") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if good else None


def _trusting(root: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(root))
    except (OSError, ValueError) as error:
        why = "there is no certificate in it" if isinstance(error, ssl.SSLError) else str(error)
        raise StoreError(f"{root}: the certificates to trust cannot be read: {why}") from None


def _keep_alive(connection: Connection) -> None:
    """Notice within a minute that the server is gone without a word, also in a long statement."""
    transport = getattr(connection, "_transport", None)
    found = None if transport is None else transport.get_extra_info("socket")
    if found is None or found.family == socket.AF_UNIX:
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _SOCKET_OPTIONS.items():
        if hasattr(socket, name):  # they are Linux's
            found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
