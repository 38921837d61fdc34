"""``depthcast compact``, ``rebuild`` and ``migrate``: a journal's segments become rows of the database."""

import asyncio
import sys
import time
from typing import Annotated, Final

from cyclopts import Parameter

from depthcast.cli._console import warn
from depthcast.cli._database import Database, opened
from depthcast.cli._errors import Exit
from depthcast.cli._interrupts import Interrupts
from depthcast.cli._journal_place import Location, objects_at
from depthcast.cli._maintenance import one_round
from depthcast.cli._options import Common
from depthcast.cli._output import print_out
from depthcast.errors import JournalError, StoreError
from depthcast.journal.backoff import delay_s
from depthcast.journal.names import Journal, SegmentName
from depthcast.journal.objects import Objects
from depthcast.journal.reader import journals
from depthcast.settings import Settings
from depthcast.store import migrate as migrations
from depthcast.store.maintenance.report import Alarm
from depthcast.store.worker import Done, Worker, clear

__all__ = ["compact", "migrate", "rebuild"]

_COMMON: Final = Common()


class _Tally:
    """What was done, said line by line and in the end."""

    def __init__(self, *, quiet: bool) -> None:
        self.segments = self.rows = self.poisoned = 0
        self._quiet = quiet

    def add(self, done: Done) -> None:
        if done.compacted is None:
            self.poisoned += 1
            warn(str(done.problem))
            return
        self.segments += 1
        self.rows += sum(done.compacted.rows.values())
        if not self._quiet:
            said = ", ".join(f"{number:,} {table}" for table, number in done.compacted.rows.items())
            print(f"{done.name}: {said}", file=sys.stderr)

    def finish(self) -> int:
        if not self._quiet:
            print(f"{self.segments:,} segments compacted, {self.rows:,} rows", file=sys.stderr)
        if self.poisoned:
            raise StoreError(
                f"{self.poisoned:,} segments cannot be compacted; all others are in the database"
            )
        return Exit.OK


def compact(
    location: Location = None,
    /,
    *,
    watch: Annotated[bool, Parameter(help="Go on, with new segments as they are closed.")] = False,
    common: Common = _COMMON,
) -> int:
    """Bring the closed segments of a journal into the database, each exactly once.

    Without --watch it ends when all that are there are done; with it, it also does what maintain does, every
    maintenance.every_s. Several may run at once.
    The database is the one of DEPTHCAST_DATABASE_URL, else one of its own in database.folder.

    For example:
      depthcast compact out/journal
      depthcast compact s3://feeds/prod --watch
    """
    settings = common.load_settings().settings
    objects = objects_at(location, settings, may_come=watch)
    tally = _Tally(quiet=common.quiet)

    async def work(interrupts: Interrupts) -> None:
        async with opened(settings.database) as database:
            if watch:
                await _watch(database, objects, tally, settings, interrupts)
            else:
                await _once(database, _workers(objects, tally, settings))

    with Interrupts() as interrupts:  # also while the database comes up: it must not be left behind
        asyncio.run(work(interrupts))
    return tally.finish()


def rebuild(location: Location = None, /, *, common: Common = _COMMON) -> int:
    """Empty the history in the database, and make it again from a journal's segments.

    The same segments give the same rows; those of depth may be on another grid, database.depth_grid_ms.
    Keys and exports stay. Meanwhile the history is incomplete.

    For example:
      depthcast rebuild out/journal
    """
    settings = common.load_settings().settings
    objects = objects_at(location, settings)
    tally = _Tally(quiet=common.quiet)

    async def work() -> None:
        async with opened(settings.database) as database:
            async with database.connect() as connection:
                grid_ms = settings.database.depth_grid_ms
                await clear(connection, sorted(journals(objects)), grid_ms=grid_ms)
            await _once(database, _workers(objects, tally, settings))

    asyncio.run(work())
    return tally.finish()


def migrate(
    *,
    to: Annotated[str, Parameter(help="A revision, head or base.")] = migrations.HEAD,
    may_lose_data: Annotated[bool, Parameter(help="Let it go back to an older revision.")] = False,
    common: Common = _COMMON,
) -> int:
    """Bring the schema of the database up to date.

    For example:
      depthcast migrate
      depthcast migrate --to base --may-lose-data
    """
    settings = common.load_settings().settings

    async def work() -> tuple[str, str]:
        async with (
            opened(settings.database) as database,
            database.connect(migrated=False) as connection,
        ):
            return await migrations.migrate(connection, to, may_go_down=may_lose_data)

    before, after = asyncio.run(work())
    print_out(f"the schema is at {after}{'' if before == after else f', it was at {before}'}\n")
    return Exit.OK


def _workers(objects: Objects, tally: _Tally, settings: Settings) -> list[Worker]:
    grid_ms = settings.database.depth_grid_ms
    return [Worker(objects, journal, tally.add, grid_ms=grid_ms) for journal in sorted(journals(objects))]


async def _once(database: Database, workers: list[Worker]) -> None:
    async with database.connect() as connection:
        for worker in workers:
            await worker.run_once(connection)


async def _watch(
    database: Database, objects: Objects, tally: _Tally, settings: Settings, interrupts: Interrupts
) -> None:
    """Look again and again until told to stop; what fails is said once, and tried again.

    What is under way then is broken off: a segment is in the database whole or not at all.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    watch = _Watch(database, objects, tally, settings)
    interrupts.ask(lambda: loop.call_soon_threadsafe(stop.set))
    stopped = asyncio.create_task(stop.wait())
    wait_s = 0.0
    while not stop.is_set():
        await asyncio.wait([stopped], timeout=wait_s)
        work = asyncio.create_task(watch.look())
        await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
            await asyncio.wait([work])
        if not work.cancelled():
            wait_s = work.result()


class _Watch:
    """A worker a journal, and maintenance now and then."""

    def __init__(self, database: Database, objects: Objects, tally: _Tally, settings: Settings) -> None:
        self._database = database
        self._objects = objects
        self._tally = tally
        self._settings = settings
        self._workers: dict[Journal, Worker] = {}
        self._failures = 0
        self._full = False
        self._maintain_at = 0.0
        self._told: set[tuple[Alarm, SegmentName]] = set()

    async def look(self) -> float:
        """Do what there is to do; how long to wait until the next time."""
        try:
            if self._failures:
                await asyncio.to_thread(self._database.revive)
            for worker in _workers(self._objects, self._tally, self._settings):
                self._workers.setdefault(worker.journal, worker)
            if not await self._is_full():
                await _once(self._database, list(self._workers.values()))
            if time.monotonic() >= self._maintain_at:
                await self._maintain()
        except (StoreError, JournalError) as error:
            if self._failures == 0:
                warn(f"{error}; it is tried again")
            self._failures += 1
            return delay_s(self._failures)
        self._failures = 0
        return self._settings.database.poll_s

    async def _is_full(self) -> bool:
        most = self._settings.database.max_bytes
        if not most:
            return False
        async with self._database.connect() as connection:
            size = int(await connection.fetchval("SELECT pg_database_size(current_database())"))
        if size > most and not self._full:
            warn(f"the database has {size:,} bytes, database.max_bytes is {most:,}: it takes no more")
        self._full = size > most
        return self._full

    async def _maintain(self) -> None:
        async with self._database.connect() as connection:
            report = await one_round(connection, self._objects, self._settings)
        self._maintain_at = time.monotonic() + self._settings.maintenance.every_s
        if any(finding.kind is Alarm.NOT_COMPACTED for finding in report.alarms):
            # Rebuilt and broken off, restored from a backup: what was known to be there may be missing.
            for worker in self._workers.values():
                worker.forget()
        for finding in report.alarms:
            if (finding.kind, finding.name) not in self._told:
                self._told.add((finding.kind, finding.name))
                warn(f"{finding.kind.value}: {finding}")
