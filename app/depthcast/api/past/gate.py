"""The way from the event loop to the journal: in a few threads, so many questions at once, for so long."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from depthcast.api.past.problems import too_slow
from depthcast.api.problems import ApiProblem
from depthcast.book.engine import Engine
from depthcast.journal.past import Past
from depthcast.settings import Settings

__all__ = ["PastGate", "open_past"]

T = TypeVar("T")

WAITING: Final = 16
"""Questions that may wait for each thread; more are refused."""
RETRY_S: Final = 1


class PastGate:
    """Asks the journal. On one loop.

    Args:
        past: the journals.
        threads: questions that are answered at once.
        per_key: questions that one key or address may have under way.
        limit_s: how long an answer may take.
    """

    def __init__(self, past: Past, *, threads: int, per_key: int, limit_s: float) -> None:
        self.past = past
        self.refused = 0
        self._threads = threads
        self._per_key = per_key
        self._limit_s = limit_s
        self._pool = ThreadPoolExecutor(threads, "depthcast-past")
        self._under_way: Counter[str] = Counter()

    def close(self) -> None:
        """Answer no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.past.close()

    @property
    def under_way(self) -> int:
        """Questions that are being answered, or wait."""
        return self._under_way.total()

    async def ask(self, key: str, question: Callable[[Past], T]) -> T:
        """What a question is answered with, asked in a thread.

        Args:
            key: whose question it is.
            question: what it raises is raised here.

        Raises:
            ApiProblem: there are too many questions, or the answer takes too long.
        """
        if self._under_way[key] >= self._per_key:
            self.refused += 1
            raise ApiProblem(
                "rate-limited",
                f"{self._per_key} questions about the past are being answered for you, which is the most",
                headers={"Retry-After": str(RETRY_S)},
            )
        if self.under_way >= self._threads * (1 + WAITING):
            self.refused += 1
            raise ApiProblem(
                "overloaded", "too many questions about the past", headers={"Retry-After": str(RETRY_S)}
            )
        answer = asyncio.get_running_loop().run_in_executor(self._pool, question, self.past)
        self._under_way[key] += 1
        answer.add_done_callback(lambda done: self._answered(key, done))
        try:
            return await asyncio.wait_for(asyncio.shield(answer), self._limit_s)
        except TimeoutError:
            raise too_slow(self._limit_s) from None

    async def run(self, question: Callable[[Past], T]) -> T:
        """The same for those who have been let in already, and ask one question after the other.

        Raises:
            ApiProblem: the answer takes too long. It is worked on all the same.
        """
        answer = asyncio.get_running_loop().run_in_executor(self._pool, question, self.past)
        answer.add_done_callback(_looked_at)
        try:
            return await asyncio.wait_for(asyncio.shield(answer), self._limit_s)
        except TimeoutError:
            raise too_slow(self._limit_s) from None

    def _answered(self, key: str, answer: "asyncio.Future[Any]") -> None:
        """Whether somebody still waits for it or not."""
        self._under_way[key] -= 1
        if self._under_way[key] <= 0:
            del self._under_way[key]
        _looked_at(answer)


def _looked_at(answer: "asyncio.Future[Any]") -> None:
    """An error that nobody waits for any more is none."""
    if not answer.cancelled():
        answer.exception()


def open_past(settings: Settings) -> PastGate | None:
    """The gate to the journal that the settings name; None if they name none.

    Raises:
        JournalError: an address of no known kind.
    """
    api, engine = settings.api, settings.engine
    if not api.journal:
        return None

    def make_engine() -> Engine:
        return Engine(max_event_records=engine.max_event_records, max_event_ns=engine.max_event_ns)

    past = Past(api.journal, cache_bytes=api.past_cache_bytes, make_engine=make_engine)
    return PastGate(past, threads=api.past_threads, per_key=api.past_per_key, limit_s=api.past_s)
