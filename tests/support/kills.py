"""Ends that nobody is told of: of a worker, and of a database with all its processes."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from depthcast.store.connect import connected
from tests.support.journals import eventually

__all__ = ["kill_server", "until_merging"]

_MERGING = """
SELECT count(DISTINCT a.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND l.mode = 'RowExclusiveLock'
  AND l.relation = 'depthcast.trades'::regclass
"""


async def until_merging(url: str, goes_on: Callable[[], bool]) -> bool:
    """Wait until somebody has rows in a transaction that is not over; False if nobody will any more."""
    async with connected(url) as connection:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and goes_on():
            if await connection.fetchval(_MERGING):
                return True
    return False


def kill_server(data: Path) -> None:
    """kill -9 of the server of this data directory: its first process, and all others."""
    first = int((data / "postmaster.pid").read_text().splitlines()[0])
    children = [int(each) for each in Path(f"/proc/{first}/task/{first}/children").read_text().split()]
    for pid in [first, *children]:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(_lives(pid) for pid in [first, *children]))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
