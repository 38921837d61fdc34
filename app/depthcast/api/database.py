"""The API's way to the database: as the reader, never waited for long, not needed to start.

Nothing is connected before somebody asks. While the database is away, questions about history are answered
503 at once or nearly so; the next question after that finds it again. Live books need none of this.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import asyncpg
import structlog

from depthcast.api.problems import ApiProblem
from depthcast.errors import StoreError
from depthcast.settings import Settings
from depthcast.store.connect import Connection, Database
from depthcast.store.embedded import EmbeddedPostgres
from depthcast.store.pool import Pool

__all__ = ["ROLE", "HistoryDatabase", "unavailable"]

ROLE: Final = "depthcast_reader"
RETRY_S: Final = 2
REST_S: Final = 1.0
"""After no connection could be had, questions are answered 503 for so long without another try."""
LEAST_S: Final = 0.5
SPARE_S: Final = 1.0
"""The server ends a statement; it is given up here so much later, for it may have gone without a word."""
_BECOME: Final = "SELECT set_config('role', $1, false), set_config('statement_timeout', $2, false)"
_OUR_FAULTS: Final = ("21", "22", "42")
"""Classes of errors that a statement itself has."""

log = structlog.get_logger("depthcast.api.database")


class HistoryDatabase:
    """Connections to the database for the questions of clients. Of one loop.

    Args:
        settings: where it is, how long a connection is waited for.
        connections: how many there may be, if not as the settings say.
    """

    def __init__(self, settings: Settings, *, connections: int | None = None) -> None:
        self._settings = settings
        self._connections = connections or settings.history.connections
        self._pool: Pool | None = None
        self._url = ""
        self._lent = 0
        self._away_until = 0.0
        self._away = False

    @property
    def statement_s(self) -> float:
        """How long one statement may take."""
        return self._settings.history.statement_s

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection as the reader, for as long as the block lasts.

        Raises:
            ApiProblem: there is none in time, or the database fails in the block.
        """
        begun = time.monotonic()
        if begun < self._away_until:
            raise unavailable()
        lent = False
        try:
            pool = await self._pool_of_now()
            async with pool.connection(wait_s=self._settings.history.wait_s) as connection:
                left = self._settings.history.wait_s - (time.monotonic() - begun)
                limit_ms = f"{self.statement_s * 1000:.0f}"
                await connection.execute(_BECOME, ROLE, limit_ms, timeout=max(left, LEAST_S))
                self._here()
                lent = True
                self._lent += 1
                yield connection
        except StoreError as error:
            raise self._problem(error, lent=lent) from error
        finally:
            self._lent -= lent

    async def close(self) -> None:
        """Close all connections; those in use are cut off."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def _pool_of_now(self) -> Pool:
        """The pool; another one where our own server was started anew, which is on another port then."""
        settings = self._settings.database
        url = settings.url.reveal() if settings.url is not None else _own(self._settings)
        if self._pool is None or url != self._url:
            await self.close()
            database = Database.of(settings, url=url)
            self._pool = Pool(
                replace(database, statement_s=self.statement_s + SPARE_S),
                size=self._connections,
            )
            self._url = url
        return self._pool

    def _here(self) -> None:
        if self._away:
            self._away = False
            log.info("the database is back")

    def _problem(self, error: StoreError, *, lent: bool) -> Exception:
        cause = error.__cause__
        if lent and isinstance(cause, asyncpg.QueryCanceledError):
            why = f"the answer took longer than {self.statement_s:g} s: ask for less, or for an export"
            return unavailable(why)
        if lent and isinstance(cause, asyncpg.PostgresError):
            code = getattr(cause, "sqlstate", None) or ""
            if code.startswith(_OUR_FAULTS):
                return error
        if self._lent - lent >= self._connections:
            return unavailable("all connections to the database are at work")
        if not lent:
            self._away_until = time.monotonic() + REST_S
        if not self._away:
            self._away = True
            named = self._settings.database.url is not None
            (log.warning if named else log.info)("the database is away", reason=str(error))
        return unavailable()


def unavailable(why: str = "the database does not answer now") -> ApiProblem:
    """The problem of history that cannot be had now. It names no address: clients need not know it."""
    return ApiProblem("history-unavailable", why, headers={"Retry-After": str(RETRY_S)})


def _own(settings: Settings) -> str:
    """The address of our own server, which another command runs in the folder."""
    folder = settings.database.folder
    try:
        return EmbeddedPostgres(folder).url
    except (OSError, IndexError) as error:
        raise StoreError(
            f"no database was named (DEPTHCAST_DATABASE_URL), and none runs in {folder}"
        ) from error
