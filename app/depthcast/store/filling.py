"""Rows go to the database while the next ones are derived: in one COPY a table, as far as that can be.

Only one COPY can be under way on a connection, and each has a price. The table with the most rows is copied
as they come; those of others wait until there are enough of them.
"""

import asyncio
import datetime as dt
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

from depthcast.errors import SegmentError
from depthcast.store.connect import Connection
from depthcast.store.copying import HEADER, TRAILER
from depthcast.store.instruments import Instrument, merged
from depthcast.store.merging import MAKE_PARTITIONS
from depthcast.store.rows import Piece
from depthcast.store.tables import COPIED, ROLLUPS, TABLES

__all__ = ["Filled", "fill", "while_connected"]

_2000: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_STREAMED: Final = "bbo"
"""Every trade is in it too."""
_WAITING_BYTES: Final = 8 << 20
"""Of other tables, in all."""
_AHEAD: Final = 2
"""Pieces that may be derived before they are asked for."""
_MAX_DAYS: Final = 1_000
"""A segment has records of fewer days: each is a partition."""


@dataclass(slots=True)
class Filled:
    """What is known of the rows of a segment.

    Attributes:
        instruments: by number.
        numbers: of rows by table.
        days: for which they want partitions, since 2000.
        first_us, last_us: the times of the first row and the last one; None where there is none.
    """

    instruments: dict[int, Instrument] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    days: set[int] = field(default_factory=set)
    first_us: int | None = None
    last_us: int | None = None

    def add(self, piece: Piece) -> None:
        """Take this into account as well."""
        if piece.instruments:
            self.instruments = merged(self.instruments, piece.instruments)
        for table, rows in piece.rows.items():
            if table in self.numbers:
                self.numbers[table] += rows.number
            self.days |= rows.days
            if rows.number and table.removeprefix("new_") in TABLES:
                self.first_us = rows.first_us if self.first_us is None else min(self.first_us, rows.first_us)
                self.last_us = rows.last_us if self.last_us is None else max(self.last_us, rows.last_us)

    @property
    def range(self) -> tuple[dt.datetime | None, dt.datetime | None]:
        """The times of the first row and the last one."""
        times = (self.first_us, self.last_us)
        first, last = (None if us is None else _2000 + dt.timedelta(microseconds=us) for us in times)
        return first, last


async def fill(connection: Connection, pieces: Iterator[Piece], path: str, *, direct: bool) -> Filled:
    """Copy the rows of a segment: where they belong if ``direct``, else all of them to temporary tables.

    Raises:
        SegmentError: the segment's bytes are wrong, or its times. ``path`` is that of its file.
        JournalError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError: as these fail.
    """
    coming = _Coming(pieces)
    try:
        return await _Filling(connection, coming, path, direct=direct).run()
    finally:
        await coming.close()


class _Coming:
    """Pieces that a thread derives, in order, some ahead."""

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self._pieces = pieces
        self._thread = ThreadPoolExecutor(1, "depthcast-derive")
        self._futures: deque[asyncio.Future[Piece | None]] = deque()

    async def next(self) -> Piece | None:
        """The next one; None at the end."""
        loop = asyncio.get_running_loop()
        while len(self._futures) <= _AHEAD:
            self._futures.append(loop.run_in_executor(self._thread, next, self._pieces, None))
        piece = await asyncio.shield(self._futures[0])
        del self._futures[0]
        return piece

    async def close(self) -> None:
        """Wait until the thread is through: it has the segment until then."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._futures:
            await asyncio.wait(self._futures)
        for future in self._futures:
            if not future.cancelled():
                future.exception()


class _Filling:
    """A segment whose rows are being copied."""

    def __init__(self, connection: Connection, coming: _Coming, path: str, *, direct: bool) -> None:
        self._connection = connection
        self._coming = coming
        self._path = path
        self._direct = direct
        self._filled = Filled()
        self._partitioned: set[int] = set()
        self._waiting: dict[str, list[bytes]] = {table: [] for table in COPIED}
        self._bytes = 0
        """Of other tables than the one that is streamed."""
        self._ended = False

    async def run(self) -> Filled:
        """Copy all of it."""
        while not self._ended:
            await self._copy(_STREAMED, self._as_they_come())
            await self._make_partitions()
            for table in self._waiting:
                if table != _STREAMED and self._waiting[table]:
                    await self._copy(table, _stream(self._taken(table)))
            self._bytes = 0
        return self._filled

    async def _as_they_come(self) -> AsyncIterator[bytes]:
        """Rows to the end, or until others have to be copied before, or partitions made."""
        yield HEADER
        while not self._missing():
            for data in self._taken(_STREAMED):
                yield data
            if self._bytes >= _WAITING_BYTES:
                break
            piece = await self._coming.next()
            if piece is None:
                self._ended = True
                break
            self._take(piece)
        yield TRAILER

    def _take(self, piece: Piece) -> None:
        self._filled.add(piece)
        for table, rows in piece.rows.items():
            if rows.number:
                self._waiting[table].append(rows.data)
                self._bytes += 0 if table == _STREAMED else len(rows.data)

    def _taken(self, table: str) -> list[bytes]:
        data, self._waiting[table] = self._waiting[table], []
        return data

    async def _copy(self, table: str, source: AsyncIterator[bytes]) -> None:
        temporary = table not in TABLES and table not in ROLLUPS
        name = table if temporary or self._direct else f"new_{table}"
        copying = self._connection.copy_to_table(
            name,
            schema_name="depthcast" if name in TABLES or name in ROLLUPS else None,
            source=source,
            columns=[column.name for column in COPIED[table]],
            format="binary",
        )
        await while_connected(self._connection, copying)

    def _missing(self) -> set[int]:
        return self._filled.days - self._partitioned

    async def _make_partitions(self) -> None:
        days = self._filled.days
        if len(days) > _MAX_DAYS:
            raise SegmentError(
                f"its records are of {len(days):,} days: their times are wrong", path=self._path
            )
        missing = sorted(self._missing())
        if missing:
            dates = [_2000.date() + dt.timedelta(days=day) for day in missing]
            await self._connection.execute(MAKE_PARTITIONS, dates)
            self._partitioned.update(missing)


async def while_connected(connection: Connection, work: Coroutine[Any, Any, object]) -> None:
    """Do something on a connection; end with it.

    A COPY whose data was held back when the server died would wait for it forever: asyncpg waits to be let
    write, and nobody lets it.

    Raises:
        asyncpg.ConnectionDoesNotExistError: the connection was lost meanwhile.
    """
    working = asyncio.ensure_future(work)

    def lost(_: object) -> None:
        working.get_loop().call_soon(working.cancel)

    connection.add_termination_listener(lost)
    try:
        await working
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if not connection.is_closed() or (task is not None and task.cancelling()):
            raise
        raise asyncpg.ConnectionDoesNotExistError("the connection was lost while rows were copied") from None
    finally:
        connection.remove_termination_listener(lost)


async def _stream(data: Iterable[bytes]) -> AsyncIterator[bytes]:
    yield HEADER
    for rows in data:
        yield rows
    yield TRAILER
