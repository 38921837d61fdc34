"""What this server can see of journal and database: from where they are kept, without the feed's help."""

import asyncio
import time
from typing import Final, NamedTuple

from depthcast.api.problems import ApiProblem
from depthcast.api.services import Services
from depthcast.errors import DepthcastError
from depthcast.journal.past import Past
from depthcast.store.history.ledger import FeedReach, feeds

__all__ = ["JournalState", "LedgerState", "Storage", "StorageState"]

KEPT_S: Final = 5.0
TIMEOUT_S: Final = 3.0
_WHO: Final = "system page"


class JournalState(NamedTuple):
    """The journal, as far as closed segments go.

    ``why`` is why nothing is known, empty where it is. Times are of the first and last record (ts_recv, ns).
    """

    why: str
    location: str = ""
    first_ns: int | None = None
    last_ns: int | None = None


class LedgerState(NamedTuple):
    """The database, by its ledger of segments; ``why`` is why nothing is known, empty where it is."""

    why: str
    feeds: tuple[FeedReach, ...] = ()


class StorageState(NamedTuple):
    """Both, as they were a few seconds ago."""

    journal: JournalState
    ledger: LedgerState


class Storage:
    """Asks journal and database, at most every few seconds, whoever wants to know."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._state: StorageState | None = None
        self._known_until = 0.0
        self._asking = asyncio.Lock()

    async def state(self) -> StorageState:
        """What they are like."""
        async with self._asking:
            if self._state is None or time.monotonic() >= self._known_until:
                journal, ledger = await asyncio.gather(self._journal(), self._ledger())
                self._state = StorageState(journal, ledger)
                self._known_until = time.monotonic() + KEPT_S
            return self._state

    async def _journal(self) -> JournalState:
        past = self._services.past
        if past is None:
            return JournalState("not known here: say with api.journal where closed segments are")
        location = past.past.location
        try:
            kept = await asyncio.wait_for(past.ask(_WHO, Past.kept), TIMEOUT_S)
        except (ApiProblem, DepthcastError, OSError) as error:
            return JournalState(f"cannot be read now: {error}", location)
        except TimeoutError:
            return JournalState("does not answer in time", location)
        return JournalState("", location, kept.first, kept.last)

    async def _ledger(self) -> LedgerState:
        history = self._services.history
        if history is None:
            return LedgerState("not known here: say with database.url where it is")
        try:
            async with history.connection() as connection:
                found = await feeds(connection, timeout_s=TIMEOUT_S)
        except ApiProblem as problem:
            return LedgerState(
                f"{problem.detail.rstrip('.')}. If there is one, say with database.url where it is"
            )
        return LedgerState("", tuple(found))
