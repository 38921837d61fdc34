"""Maintenance: the database and the store are kept in order. It is run on a schedule; often does no harm.

Partitions are made ahead and old ones dropped, what has expired is forgotten, every journal of the store is
held to the ledger, and the small segments of days that are over are merged. docs/store.md says how.
"""

import asyncio
import datetime as dt
import time
from collections.abc import Callable
from typing import Final

from depthcast.journal.objects import Objects
from depthcast.journal.reader import journals
from depthcast.settings.sections import MaintenanceSettings
from depthcast.store.connect import Connection
from depthcast.store.maintenance.housekeeping import drop_old, expire, make_ahead
from depthcast.store.maintenance.merge import merge_days
from depthcast.store.maintenance.reconcile import reconcile
from depthcast.store.maintenance.report import JournalReport, MaintenanceReport

__all__ = ["MaintenanceReport", "maintain"]

_ONE_AT_A_TIME: Final = "hashtext('depthcast.maintain')"
_ZSTD_LEVEL: Final = 3


async def maintain(
    connection: Connection,
    objects: Objects | None,
    *,
    now: dt.datetime,
    settings: MaintenanceSettings = MaintenanceSettings(),  # noqa: B008 - frozen
    exports: Objects | None = None,
    zstd_level: int = _ZSTD_LEVEL,
    for_s: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> MaintenanceReport:
    """One round. At most one at a time works on a database: another one says that it was busy.

    Args:
        connection: as the writer. Not in a transaction.
        objects: where the journals' closed segments are; None to look after the database alone.
        now: the time, with its zone.
        settings: what is kept, and how.
        exports: where the results of exports are; None to leave them there.
        zstd_level: of merged segments.
        for_s: nothing is begun to be merged after so many seconds; the next round goes on.
        clock: in seconds, for that.

    Returns:
        What was done; its ``alarms`` want somebody to look.

    Raises:
        JournalError: the store does not answer. What was done stays done.
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError: so for the database.
    """
    end = None if for_s is None else clock() + for_s
    report = MaintenanceReport()
    if not await connection.fetchval(f"SELECT pg_try_advisory_lock({_ONE_AT_A_TIME})"):
        report.busy = True
        return report
    try:
        report.partitions_made = await make_ahead(connection, now, settings)
        await drop_old(connection, now, settings, report)
        await expire(connection, now, exports, report)
        if objects is None:
            return report
        for journal in sorted(await asyncio.to_thread(journals, objects)):
            found = JournalReport(journal)
            report.journals.append(found)
            survey = await reconcile(connection, objects, journal, now, settings, found)
            if settings.merge_bytes:
                await merge_days(
                    connection, objects, journal, survey, now, settings, zstd_level, found,
                    lambda: end is None or clock() < end,
                )  # fmt: skip
    finally:
        if not connection.is_closed():
            await connection.execute(f"SELECT pg_advisory_unlock({_ONE_AT_A_TIME})")
    return report
