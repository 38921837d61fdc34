"""Partitions ahead of time, retention, expiry: what the database alone needs."""

import asyncio
import datetime as dt
from typing import Any, Final

import asyncpg

from depthcast.journal.objects import Objects
from depthcast.settings.sections import MaintenanceSettings
from depthcast.store.connect import Connection
from depthcast.store.export_keys import keys_of
from depthcast.store.maintenance.report import MaintenanceReport
from depthcast.store.merging import MAKE_PARTITIONS

__all__ = ["drop_old", "expire", "make_ahead"]

_LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '3s'"
"""Who waits for a lock on a table makes all readers that come later wait: better the next time."""
_EXPORTS: Final = 1_000
"""Exports removed in one statement."""


async def make_ahead(connection: Connection, now: dt.datetime, settings: MaintenanceSettings) -> int:
    """Make the partitions of today and the days to come; how many there were to make."""
    today = now.astimezone(dt.UTC).date()
    days = [today + dt.timedelta(days=day) for day in range(settings.ahead_days + 1)]
    return int(await connection.fetchval(MAKE_PARTITIONS, days))


async def drop_old(
    connection: Connection, now: dt.datetime, settings: MaintenanceSettings, report: MaintenanceReport
) -> None:
    """Drop the partitions of which every row is older than what is kept, a table at a time."""
    kept = {
        "trades": settings.keep_trades_days,
        "bbo": settings.keep_bbo_days,
        "depth": settings.keep_depth_days,
        "bbo_1s": settings.keep_bbo_1s_days,
        "ohlcv_1s": settings.keep_ohlcv_1s_days,
    }
    for table, days in kept.items():
        if days == 0:
            continue
        try:
            async with connection.transaction():
                await connection.execute(_LOCK_TIMEOUT)
                dropped = await connection.fetchval(
                    "SELECT depthcast.drop_before($1, $2)", table, now - dt.timedelta(days=days)
                )
        except asyncpg.LockNotAvailableError:
            report.postponed.append(table)
            continue
        report.partitions_dropped[table] = int(dropped)


async def expire(
    connection: Connection, now: dt.datetime, exports: Objects | None, report: MaintenanceReport
) -> None:
    """Forget idempotency keys and exports whose time is over; an export's files go first.

    Those too that no row names: of attempts that were cancelled, or cut off by the end of their process.
    """
    gone = await connection.fetch(
        "DELETE FROM depthcast.idempotency_keys WHERE expires <= $1 RETURNING 1", now
    )
    report.keys_expired = len(gone)
    while True:
        expired = await connection.fetch(
            "SELECT export_id, result, attempts, request->>'format' AS form FROM depthcast.exports "
            "WHERE expires <= $1 ORDER BY export_id LIMIT $2",
            now,
            _EXPORTS,
        )
        if not expired:
            return
        if exports is not None:
            for row in expired:
                await asyncio.to_thread(_remove_files, exports, row)
        await connection.execute(
            "DELETE FROM depthcast.exports WHERE export_id = ANY ($1)", [row["export_id"] for row in expired]
        )
        report.exports_expired += len(expired)


def _remove_files(exports: Objects, row: Any) -> None:
    """Remove what any attempt of an export may have stored."""
    keys = keys_of(str(row["export_id"]), row["attempts"], row["form"])
    for key in dict.fromkeys((*keys, row["result"])):
        if key is not None:
            exports.delete(key)
