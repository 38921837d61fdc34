"""``depthcast maintain``: the database and a store are kept in order, and what is wrong is said."""

import asyncio
import sys
from typing import Final

from depthcast.cli._console import bold, table, warn
from depthcast.cli._database import opened
from depthcast.cli._errors import Exit
from depthcast.cli._journal_place import Location, objects_at
from depthcast.cli._maintenance import one_round
from depthcast.cli._options import Common
from depthcast.cli._output import print_out
from depthcast.store.maintain import MaintenanceReport

__all__ = ["maintain", "said"]

_COMMON: Final = Common()
_MIB: Final = 1 << 20


def maintain(location: Location = None, /, *, common: Common = _COMMON) -> int:
    """Keep the database and a journal's store in order, once.

    Partitions are made ahead, and old ones dropped as the settings maintenance.keep_... say. Every closed
    segment is held to the ledger: what is missing or differs is said, with exit code 5. The small segments
    of days that are over are merged. compact --watch does the same every maintenance.every_s.

    For example:
      depthcast maintain s3://feeds/prod
      depthcast maintain out/journal --set maintenance.keep_bbo_days=90
    """
    settings = common.load_settings().settings
    objects = objects_at(location, settings)

    async def work() -> MaintenanceReport:
        async with opened(settings.database) as database, database.connect() as connection:
            return await one_round(connection, objects, settings)

    report = asyncio.run(work())
    print_out(said(report))
    for finding in report.alarms:
        warn(f"{finding.kind.value}: {finding}")
    return Exit.AUDIT if report.alarms else Exit.OK


def said(report: MaintenanceReport) -> str:
    """What was done, as a table, and a line a journal."""
    if report.busy:
        return "another one is at it: nothing was done\n"
    dropped = ", ".join(f"{number} of {name}" for name, number in report.partitions_dropped.items() if number)
    later = f"; in use, so later: {', '.join(report.postponed)}" if report.postponed else ""
    rows = [
        ("partitions", f"{report.partitions_made:,} made, {dropped or 'none'} dropped{later}"),
        ("expired", f"{report.keys_expired:,} idempotency keys, {report.exports_expired:,} exports"),
    ]
    for found in report.journals:
        before = sum(each.bytes_before for each in found.merged)
        after = sum(each.bytes_after for each in found.merged)
        parts = sum(each.parts for each in found.merged)
        sizes = f"{before / _MIB:,.1f} to {after / _MIB:,.1f} MiB"
        merged = f"{parts:,} merged into {len(found.merged):,} ({sizes})" if parts else "nothing to merge"
        young = f", {found.young:,} not yet" if found.young else ""
        rows += [
            ("journal", f"{found.journal.dataset}, shard {found.journal.shard}, {found.end:,} records"),
            ("segments", f"{found.segments:,}, {found.compacted:,} of them in the ledger{young}"),
            ("merging", f"none: {found.not_merged}" if found.not_merged else merged),
            ("alarms", f"{len(found.findings):,}" if found.findings else "none"),
        ]
    return table([(bold(name.ljust(10), sys.stdout), value) for name, value in rows])
