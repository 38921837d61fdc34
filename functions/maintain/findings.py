"""What a round of maintenance found, as logs, metrics, and messages to who can mend it."""

import itertools
from typing import Final

from depthcast.store.maintain import MaintenanceReport
from depthcast.store.maintenance.report import Alarm
from depthcast.store.notices import asking_for
from functions.queue import Queue
from functions.runtime import Runtime

__all__ = ["ask_again", "tell"]

_MAX_ASKED: Final = 1_000
"""Messages of one round; the next round asks for the rest."""
_MAX_LOGGED: Final = 1_000


def tell(runtime: Runtime, report: MaintenanceReport) -> dict[str, int]:
    """Log what wants somebody to look; the numbers of all of it, by metric."""
    for finding in itertools.islice(report.alarms, _MAX_LOGGED):
        runtime.logger.error(
            "alarm",
            kind=finding.kind.value,
            segment=str(finding.name),
            path=finding.path,
            why=finding.problem,
        )
    if report.busy:
        runtime.logger.warning("another one is at it: nothing was done")
    kinds = [finding.kind for finding in report.alarms]
    return {
        "Alarms": len(kinds),
        **{f"Alarm{kind.value.title().replace(' ', '')}": kinds.count(kind) for kind in Alarm},
        "Busy": int(report.busy),
        "Segments": sum(found.segments for found in report.journals),
        "SegmentsMerged": sum(each.parts for found in report.journals for each in found.merged),
        "PartitionsMade": report.partitions_made,
        "PartitionsDropped": sum(report.partitions_dropped.values()),
        "PartitionsPostponed": len(report.postponed),
        "ExportsExpired": report.exports_expired,
        "KeysExpired": report.keys_expired,
    }


def ask_again(runtime: Runtime, report: MaintenanceReport) -> int:
    """Have segments compacted that should be and are not; how many were asked for.

    They are those whose message was lost, or that a newer epoch called for when the function was ended.
    """
    url = runtime.settings.functions.segments
    wanted = [finding.path for finding in report.alarms if finding.kind is Alarm.NOT_COMPACTED]
    if not url or not wanted:
        return 0
    queue = Queue(url)
    for path in wanted[:_MAX_ASKED]:
        queue.send(asking_for(path))
    return min(len(wanted), _MAX_ASKED)
