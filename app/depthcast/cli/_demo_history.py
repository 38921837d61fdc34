"""The demo's history: a worker beside it, with a PostgreSQL of its own, and a look at what it has done."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from depthcast.cli._child import Child
from depthcast.cli._console import warn
from depthcast.cli._errors import Exit
from depthcast.errors import SourceError, StoreError
from depthcast.store.connect import connected
from depthcast.store.embedded import EmbeddedPostgres

__all__ = ["History"]

LOOK_S: Final = 2.0
MOST_BYTES: Final = 4 << 30
"""About half an hour: a demo that is forgotten must not fill the disk."""
_STATE: Final = """
SELECT coalesce(sum(trades + bbo + depth), 0)::bigint, count(*),
       extract(epoch FROM clock_timestamp() - max(compacted_at))::float8,
       extract(epoch FROM max(compacted_at) - max(last_ts))::float8
FROM history.segments
"""


class History:
    """A worker that brings the journal of the demo into a database, which it starts and stops.

    Args:
        journal: the feed's folder.
        place: for the database.
        variables: for its environment.
        on_trouble: told of warnings in its log.
    """

    def __init__(
        self,
        journal: Path,
        place: Path,
        variables: Mapping[str, str | None],
        on_trouble: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self._server = EmbeddedPostgres(place)
        self._said = "no segment yet"
        self._lost = False
        self._stop = threading.Event()
        settings = [f"database.folder={place}", "database.poll_s=0.5", f"database.max_bytes={MOST_BYTES}"]
        self._worker = Child(
            *("compact", str(journal), "--watch", "--quiet"),
            *(part for each in settings for part in ("--set", each)),
            variables=variables,
            on_trouble=on_trouble,
        )
        self._looker = threading.Thread(target=self._look, name="demo-history", daemon=True)
        self._looker.start()

    name = "history"

    @property
    def line(self) -> str:
        """How much there is, and how long ago it happened."""
        return "history: " + ("none" if self._lost else self._said)

    def check(self) -> None:
        """Say it once if the worker has ended by itself. The demo goes on without it."""
        if not self._lost:
            try:
                self._worker.check()
            except SourceError as error:
                self._lost = True
                warn(f"no history: {error}")

    def stop(self, timeout_s: float) -> int:
        """End the worker and its database in order; its exit code.

        It is 0 where it had ended by itself, or was told to end while the database came up.
        """
        self._stop.set()
        code = self._worker.stop(timeout_s)
        return 0 if self._lost or code == Exit.INTERRUPTED else code

    def kill(self) -> int:
        """End the worker at once. The database is left to itself."""
        return self._worker.kill()

    def _look(self) -> None:
        while not self._stop.wait(LOOK_S):
            with suppress(OSError, IndexError, StoreError):  # it comes up, or is busy
                self._said = asyncio.run(self._state())

    async def _state(self) -> str:
        async with connected(self._server.url, command_timeout_s=LOOK_S) as connection:
            found = await connection.fetchrow(_STATE)
        rows, segments, since_s, age_s = found or (0, 0, 0, 0)
        if not segments:
            return "no segment yet"
        return (
            f"{rows:,} rows of {segments:,} segment{'' if segments == 1 else 's'}, "
            f"the newest {since_s + age_s:,.0f} s ago"
        )
