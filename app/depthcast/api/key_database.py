"""The API's keys in the database, which all its tasks share.

They are changed as the owner of the schema and read as the reader: nobody else may, so that what compacts and
maintains cannot make a key.
"""

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import asyncpg
import msgspec
import structlog

from depthcast.api.database import HistoryDatabase
from depthcast.api.keys import ApiKey, ApiKeyRing
from depthcast.errors import DepthcastError, KeyStoreError
from depthcast.settings import Settings
from depthcast.store.connect import Connection

__all__ = ["ApiKeyDatabase", "FollowedApiKeys"]

READ_S: Final = 3.0
"""So long the keys may take. The service does not begin before they are known, or this is over."""
RETRY_S: Final = 2.0

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('depthcast.api_keys'))"
_READ: Final = (
    "SELECT key_id AS id, name, sha256, scopes, created, expires, revoked FROM depthcast.api_keys "
    "ORDER BY created, key_id"
)
_DROP: Final = "DELETE FROM depthcast.api_keys WHERE key_id = ANY($1::text[])"
_PUT: Final = (
    "INSERT INTO depthcast.api_keys (key_id, name, sha256, scopes, created, expires, revoked) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key_id) DO UPDATE SET name = excluded.name, "
    "sha256 = excluded.sha256, scopes = excluded.scopes, created = excluded.created, "
    "expires = excluded.expires, revoked = excluded.revoked"
)

log = structlog.get_logger("depthcast.api.keys")


class ApiKeyDatabase:
    """API keys in the database.

    Args:
        connect: gives a connection: to read as the reader, to change as the owner of the schema.
        name: which database, for messages.
    """

    def __init__(self, connect: Callable[[], AbstractAsyncContextManager[Connection]], name: str) -> None:
        self._connect = connect
        self._name = name

    def __str__(self) -> str:
        return self._name

    def read(self) -> ApiKeyRing:
        """The keys as they are now. Not on an event loop.

        Raises:
            KeyStoreError: they are not what they should be.
            StoreError: the database cannot be had, or does not let them be read.
        """
        return asyncio.run(self.fetch())

    def change(self, change: Callable[[ApiKeyRing], ApiKeyRing], /) -> ApiKeyRing:
        """Replace the keys by what ``change`` makes of them, in one transaction, one change at a time.

        Raises:
            KeyStoreError: they are not what they should be, or are not this user's to change.
            StoreError: the database cannot be had.
        """
        return asyncio.run(self._change(change))

    async def fetch(self) -> ApiKeyRing:
        """As `read`, on a loop; it raises what ``connect`` does, too."""
        async with self._connect() as connection:
            rows = await connection.fetch(_READ)
        return _ring(rows)

    async def _change(self, change: Callable[[ApiKeyRing], ApiKeyRing]) -> ApiKeyRing:
        async with self._connect() as connection:
            try:
                async with connection.transaction():
                    await connection.execute(_LOCK)
                    before = _ring(await connection.fetch(_READ))
                    after = change(before)
                    await _write(connection, before, after)
            except asyncpg.InsufficientPrivilegeError as error:
                raise KeyStoreError(
                    f"{self}: this user may not change API keys: do it as who migrates, the schema's owner"
                ) from error
        return after


class FollowedApiKeys:
    """The keys of the database as an API knows them: read at the start, and again every ``keys_reload_s``.

    While the database is away, the keys read last stay good; where none were read yet, no key is. The log
    says so once. On one loop.

    Args:
        settings: where the database is, and how old the keys may be.
    """

    def __init__(self, settings: Settings) -> None:
        # A connection of its own: however busy history is, a revoked key is heard of.
        self._database = HistoryDatabase(settings, connections=1)
        self._store = ApiKeyDatabase(self._database.connection, "the database")
        self._reload_s = settings.api.keys_reload_s
        self._ring = ApiKeyRing()
        self._known = False
        self._failing = ""
        self._following: asyncio.Task[None] | None = None

    @property
    def ring(self) -> ApiKeyRing:
        """The keys read last."""
        return self._ring

    async def start(self) -> None:
        """Read the keys, or find that they cannot be had now; from then on follow their changes."""
        if self._following is None:
            await self._read()
            self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """End that. The keys stay as they are."""
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
        await self._database.close()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(min(RETRY_S, self._reload_s) if self._failing else self._reload_s)
            await self._read()

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(READ_S):
                ring = await self._store.fetch()
        except TimeoutError:
            self._failed(f"no answer within {READ_S:g} s")
        except DepthcastError as error:
            self._failed(str(error))
        except Exception as error:  # whatever it is, it must not end the following
            self._failed(f"{type(error).__name__}: {error}")
        else:
            if self._failing:
                log.info("api keys are read again", keys=len(ring))
            self._ring, self._known, self._failing = ring, True, ""

    def _failed(self, why: str) -> None:
        if why != self._failing:
            self._failing = why
            stays = "those read last stay good" if self._known else "none was read yet, so none is accepted"
            log.error(f"api keys cannot be read; {stays}", error=why)


def _ring(rows: "list[asyncpg.Record]") -> ApiKeyRing:
    """The keys of these rows. Raises KeyStoreError saying which one is none."""
    keys = []
    for row in rows:
        try:
            keys.append(msgspec.convert(dict(row), ApiKey))
        except msgspec.ValidationError as error:
            raise KeyStoreError(f"depthcast.api_keys, {row['id']!r}: not an API key: {error}") from None
    return ApiKeyRing(keys)


async def _write(connection: Connection, before: ApiKeyRing, after: ApiKeyRing) -> None:
    """Make those rows of the one what they are in the other that differ."""
    gone = [key.id for key in before if after.by_id(key.id) is None]
    new = [key for key in after if before.by_id(key.id) != key]
    if gone:
        await connection.execute(_DROP, gone)
    for key in new:
        scopes = list(key.scopes)
        await connection.execute(
            _PUT, key.id, key.name, key.sha256, scopes, key.created, key.expires, key.revoked
        )
