"""Connections that are kept for the next one who needs one.

A connection is looked at before it is lent: one that is too old, or does not answer, is replaced. So a pool
survives a server that went to another machine without a word, and a process that was frozen for a while.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, cast

import asyncpg

from depthcast.errors import DepthcastError, StoreError
from depthcast.store.connect import FAILURES, Connection, Database, about_database, connect

__all__ = ["Pool"]

if TYPE_CHECKING:
    _Pool = asyncpg.Pool[Any]
else:
    _Pool = asyncpg.Pool

_WAIT_S: Final = 15.0
_ANSWER_S: Final = 3.0
_IDLE_S: Final = 120.0


class Pool:
    """Connections to a database, for the event loop in which it is used first.

    Args:
        database: which.
        size: how many there may be.
        sure_s: what was used so short a time ago is lent without asking whether the server is there.
    """

    def __init__(self, database: Database, *, size: int = 1, sure_s: float = 1.0) -> None:
        self.database = database
        self._sure_s = sure_s
        self._size = size
        self._pool: _Pool | None = None
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def connection(self, *, wait_s: float = _WAIT_S) -> AsyncIterator[Connection]:
        """A connection, for as long as the block lasts.

        Args:
            wait_s: how long to wait for one, where all are in use or the server does not answer.

        Raises:
            StoreError: there is none, or the database fails or refuses something.
        """
        with about_database(self.database):
            pool = await self._opened()
            try:
                async with asyncio.timeout(wait_s):
                    lent = await self._fit_one(pool)
            except TimeoutError:
                raise StoreError(f"{self.database}: no connection within {wait_s:g} s") from None
            times = lent.times
            try:
                yield lent
            except DepthcastError:
                raise
            except BaseException:
                _drop(lent)  # whoever comes next must not find what was left half done
                raise
            finally:
                times.used = time.monotonic()
                with contextlib.suppress(*FAILURES):  # it is closed then; what was done is done
                    await pool.release(cast("Any", lent), timeout=_ANSWER_S)

    async def close(self) -> None:
        """Close the connections. Those that are in use are cut off."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    async def _opened(self) -> _Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    min_size=0,
                    max_size=self._size,
                    max_inactive_connection_lifetime=_IDLE_S,
                    connect=self._connect,
                    connection_class=_Kept,
                )
            return self._pool

    async def _connect(self, *_: object, **__: object) -> "_Kept":
        return cast("_Kept", await connect(self.database, kind=_Kept))

    async def _fit_one(self, pool: _Pool) -> "_Kept":
        """One that is new enough and answers; those that do not are closed, and others made."""
        while True:
            lent = cast("_Kept", await pool.acquire())
            try:
                if await self._is_fit(lent):
                    return lent
            except BaseException:
                _drop(lent)
                raise
            _drop(lent)

    async def _is_fit(self, lent: "_Kept") -> bool:
        now = time.monotonic()
        if now - lent.times.made > self.database.max_age_s:
            return False
        if now - lent.times.used < self._sure_s:
            return True
        with contextlib.suppress(*FAILURES):
            await lent.execute("SELECT 1", timeout=_ANSWER_S)
            return True
        return False


@dataclass(slots=True)
class _Times:
    """Of a connection, by the clock that only goes forward."""

    made: float = field(default_factory=time.monotonic)
    used: float = field(default_factory=time.monotonic)


class _Kept(Connection):
    """A connection that knows how old it is. It is lent through a proxy, which gives its attributes."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.times = _Times()


def _drop(lent: "_Kept") -> None:
    """Close it without a word, if that did not happen yet. The pool has its place back then."""
    with contextlib.suppress(asyncpg.InterfaceError):
        lent.terminate()
