"""The database that a command works with: the one that is named, or one of our own for as long as it runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from depthcast.errors import StoreError
from depthcast.settings.sections import DatabaseSettings
from depthcast.store.connect import Connection, connected
from depthcast.store.connect import Database as Description
from depthcast.store.embedded import EmbeddedPostgres
from depthcast.store.migrate import current, migrate, newest

__all__ = ["Database", "opened"]


class Database:
    """Where the database is.

    Attributes:
        description: where it is, and how to connect to it.
        own: whether it is one of our own.
    """

    def __init__(self, settings: DatabaseSettings, embedded: EmbeddedPostgres | None) -> None:
        self.own = embedded is not None
        self._settings = settings
        self._embedded = embedded
        self.description = self._described()

    def revive(self) -> None:
        """Start one of our own again if it has ended by itself.

        Raises:
            StoreError: it does not start.
        """
        if self._embedded is not None:
            self._embedded.revive()
            self.description = self._described()

    def _described(self) -> Description:
        if self._embedded is None:
            return Description.of(self._settings)
        own = DatabaseSettings(statement_s=self._settings.statement_s, max_age_s=self._settings.max_age_s)
        return Description.of(own, url=self._embedded.url)

    @asynccontextmanager
    async def connect(self, *, migrated: bool = True) -> AsyncIterator[Connection]:
        """A connection. One of our own is brought up to date; another one has to be.

        Raises:
            StoreError: there is none, or its schema is not the one of this version.
        """
        async with connected(self.description) as connection:
            if migrated and self.own:
                await migrate(connection)
            elif migrated and (found := await current(connection)) != newest():
                raise StoreError(
                    f"the database's schema is at {found}, this version needs {newest()}: "
                    "run depthcast migrate"
                )
            yield connection


@asynccontextmanager
async def opened(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """The database of the settings.

    Raises:
        StoreError: there is none, and none can be started.
    """
    if settings.url is not None:
        yield Database(settings, None)
        return
    embedded = EmbeddedPostgres(settings.folder)
    embedded.start()
    try:
        yield Database(settings, embedded)
    finally:
        embedded.stop()
