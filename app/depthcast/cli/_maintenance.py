"""A round of maintenance as the settings have it."""

import datetime as dt

from depthcast.journal.objects import Objects, open_objects
from depthcast.settings import Settings
from depthcast.store.connect import Connection
from depthcast.store.maintain import MaintenanceReport, maintain

__all__ = ["one_round"]


async def one_round(connection: Connection, objects: Objects, settings: Settings) -> MaintenanceReport:
    """Maintain a database and the store of its journals. Raises as `store.maintain.maintain` does."""
    return await maintain(
        connection,
        objects,
        now=dt.datetime.now(dt.UTC),
        settings=settings.maintenance,
        exports=open_objects(settings.exports.store) if settings.exports.store else None,
        zstd_level=settings.journal.zstd_level,
    )
