"""Makes exports, a bounded number at a time, beside the API's other work.

Each process looks for exports that nobody makes, whichever of them was asked for it. A process that dies
leaves its exports to the others, once their leases are over.
"""

import asyncio
import contextlib
import os
import secrets
import socket
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from depthcast.api.database import HistoryDatabase
from depthcast.api.problems import ApiProblem
from depthcast.errors import DepthcastError, JournalError, UsageError
from depthcast.journal.objects import Objects, open_objects
from depthcast.settings import Settings
from depthcast.store.export_files import write_file
from depthcast.store.export_keys import key_of
from depthcast.store.exports import Export, Written, claim, fail, finish, give_back, renew
from depthcast.store.maintenance.housekeeping import expire
from depthcast.store.maintenance.report import MaintenanceReport

__all__ = ["Exporter", "open_exporter"]

EXPIRE_S: Final = 60.0
"""How often exports are looked for whose time is over."""
END_S: Final = 2.0
"""So long is taken, in the end, to give exports back to others."""

log = structlog.get_logger("depthcast.api.exports")


class Exporter:
    """Makes exports. On one loop.

    Args:
        settings: of the database, and of exports.
        objects: where their files go.
    """

    def __init__(self, settings: Settings, objects: Objects) -> None:
        self.objects = objects
        self.runner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._exports = settings.exports
        self._database = HistoryDatabase(settings, connections=2 * max(settings.exports.at_once, 1))
        self._news = asyncio.Event()
        self._working: set[asyncio.Task[None]] = set()
        self._uploading: set[str] = set()
        """Keys whose upload has not ended; a thread cannot be stopped."""
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for exports."""
        if self._exports.at_once and self._running is None:
            self._running = asyncio.create_task(self._run())

    def wake(self) -> None:
        """Look now: an export was asked for."""
        self._news.set()

    async def close(self) -> None:
        """End. Exports that are being made are left to others."""
        for task in [self._running, *self._working]:
            if task is not None:
                task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await asyncio.gather(*filter(None, [self._running, *self._working]), return_exceptions=True)
        await self._database.close()

    async def _run(self) -> None:
        expire_at = 0.0
        while True:
            self._news.clear()
            try:
                await self._take()
                if time.monotonic() >= expire_at:
                    expire_at = time.monotonic() + EXPIRE_S
                    await self._expire()
            except ApiProblem:
                pass  # the database is away: it was said, and exports wait there
            except Exception as error:
                log.error("exports cannot be looked for", exc_info=error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self._exports.poll_s)

    async def _take(self) -> None:
        """Begin as many as there may be."""
        while len(self._working) < self._exports.at_once:
            async with self._database.connection() as connection:
                export = await claim(connection, self.runner, self._exports.lease_s)
            if export is None:
                return
            task = asyncio.create_task(self._make(export))
            self._working.add(task)
            task.add_done_callback(self._made)

    def _made(self, task: "asyncio.Task[None]") -> None:
        self._working.discard(task)
        self._news.set()

    async def _make(self, export: Export) -> None:
        begun = time.monotonic()
        named = {"export": export.export_id, "attempt": export.attempts}
        log.info("export begins", kind=export.order.kind.value, format=export.order.format, **named)
        try:
            with tempfile.TemporaryDirectory(prefix="depthcast-export-") as folder:
                written = await self._held(export, Path(folder) / "file")
        except UsageError as error:
            await self._say(fail, export, str(error))
            log.warning("export failed", reason=str(error), **named)
        except asyncio.CancelledError:
            if self._key(export) not in self._uploading:  # else who has it next would write to the same key
                await self._say(give_back, export)
            raise
        except Exception as error:
            # The database, the store or the disk: another attempt may do better.
            log.warning("export broke off", reason=str(error) or type(error).__name__, **named)
        else:
            took_s = round(time.monotonic() - begun, 3)
            if written is None:
                log.info("export is somebody else's, or was cancelled", **named)
            else:
                log.info("export done", rows=written.rows, bytes=written.bytes, took_s=took_s, **named)

    async def _held(self, export: Export, path: Path) -> Written | None:
        """Make an export while its lease is renewed; None if it is not ours any more."""
        progress = [Written()]
        working = asyncio.create_task(self._write(export, path, progress))
        renewing = asyncio.create_task(self._renew(export, progress))
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            for task in (working, renewing):
                task.cancel()
            await asyncio.gather(working, renewing, return_exceptions=True)

    async def _write(self, export: Export, path: Path, progress: list[Written]) -> Written | None:
        def on_progress(written: Written) -> None:
            progress[0] = written

        async with self._database.connection() as connection:
            written, sha256 = await write_file(
                connection, export, path, max_rows=self._exports.rows, on_progress=on_progress
            )
        key = self._key(export)
        await self._upload(key, path)
        async with self._database.connection() as connection:
            ours = await finish(connection, self.runner, export, key, sha256, written)
        if not ours:
            await asyncio.to_thread(self.objects.delete, key)
            return None
        return written

    @staticmethod
    def _key(export: Export) -> str:
        return key_of(export.export_id, export.attempts, export.order.format)

    async def _upload(self, key: str, path: Path) -> None:
        """Store a file. Cancelled, it removes what was stored; cancelled again, it leaves that to expiry."""

        def ended(upload: "asyncio.Future[None]") -> None:
            self._uploading.discard(key)
            if not upload.cancelled():
                upload.exception()  # is nobody's who does not wait any more

        self._uploading.add(key)
        upload = asyncio.get_running_loop().run_in_executor(None, self.objects.put, key, path)
        upload.add_done_callback(ended)
        try:
            await asyncio.shield(upload)
        except asyncio.CancelledError:
            with contextlib.suppress(JournalError):
                await asyncio.shield(upload)
                await asyncio.to_thread(self.objects.delete, key)
            raise

    async def _renew(self, export: Export, progress: list[Written]) -> None:
        """Returns once the export is not ours any more."""
        lease_s = self._exports.lease_s
        while True:
            await asyncio.sleep(lease_s / 4)
            with contextlib.suppress(ApiProblem):  # away: the lease may end, and then others have it
                async with self._database.connection() as connection:
                    if not await renew(connection, self.runner, export, progress[0], lease_s):
                        return

    async def _say(self, what: object, export: Export, *more: str) -> None:
        with contextlib.suppress(DepthcastError, OSError):
            async with self._database.connection() as connection:
                await what(connection, self.runner, export, *more)  # type: ignore[operator]

    async def _expire(self) -> None:
        async with self._database.connection() as connection:
            try:
                await expire(connection, datetime.now(UTC), self.objects, MaintenanceReport())
            except JournalError as error:
                log.warning("results of exports cannot be removed", reason=str(error))


def open_exporter(settings: Settings) -> Exporter | None:
    """What makes exports; None where there are none.

    Raises:
        JournalError: the store's address is none.
    """
    return Exporter(settings, open_objects(settings.exports.store)) if settings.exports.store else None
