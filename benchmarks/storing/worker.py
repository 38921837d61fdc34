"""A process of its own that compacts a journal and says how much memory it took at most, in MiB.

``python -m benchmarks.storing.worker FOLDER``; the database is that of DEPTHCAST_DATABASE_URL.
"""

import asyncio
import os
import sys
from pathlib import Path

from benchmarks.storing.inputs import segments_in
from depthcast.store.compact import compact
from depthcast.store.connect import connected


async def _compact_all(url: str, folder: Path) -> int:
    rows = 0
    async with connected(url) as connection:
        for segment in segments_in(folder):
            rows += sum((await compact(connection, segment)).rows.values())
    return rows


def _peak_mib() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    number = asyncio.run(_compact_all(os.environ["DEPTHCAST_DATABASE_URL"], Path(sys.argv[1])))
    print(number, _peak_mib())
