"""What can be wrong with a question about the past, as problems."""

from typing import Any

import structlog

from depthcast.api.problems import ApiProblem
from depthcast.book.views import iso
from depthcast.errors import JournalError
from depthcast.journal.at import Kept, TimeNotKeptError
from depthcast.journal.objects import ObjectMissingError
from depthcast.journal.search import RecordsMissingError, is_damage

__all__ = ["journal_problem", "no_journal", "too_slow"]

AWAY_RETRY_S = 5

_log = structlog.get_logger("depthcast.api")


def no_journal() -> ApiProblem:
    """Nobody has said where the journal is."""
    return ApiProblem(
        "no-journal", "the service knows of no journal: its operator can name one (api.journal)"
    )


def too_slow(limit_s: float) -> ApiProblem:
    """The answer was not there in time."""
    return ApiProblem(
        "overloaded",
        f"the past was not read within {limit_s:g} s; ask again: what was read is kept for a while",
        headers={"Retry-After": "1"},
    )


def journal_problem(error: JournalError) -> ApiProblem:
    """A journal's error as a client is told it. What is wrong with a journal also goes to the log."""
    if isinstance(error, TimeNotKeptError):
        return _not_kept(error)
    if isinstance(error, RecordsMissingError):
        return _missing(error)
    if isinstance(error, ObjectMissingError) or is_damage(error):
        _log.error("journal damaged", path=error.path, reason=error.reason)
        where = (error.path or "the journal").rpartition("/")[2]
        return ApiProblem(
            "journal-damaged", f"{where}: {error.reason}; times that other segments hold are answered"
        )
    _log.error("journal away", path=error.path, reason=error.reason)
    return ApiProblem(
        "journal-away",
        "the place where the past is kept does not answer",
        headers={"Retry-After": str(AWAY_RETRY_S)},
    )


def _missing(error: RecordsMissingError) -> ApiProblem:
    """Segments may come out of order: what is not there yet is not damaged."""
    _log.error("journal incomplete", path=error.path, reason=error.reason)
    where = (error.path or "the journal").rpartition("/")[2]
    return ApiProblem(
        "journal-away",
        f"{where}: {error.reason}; they may come yet, times that other segments hold are answered",
        headers={"Retry-After": str(AWAY_RETRY_S)},
    )


def _not_kept(error: TimeNotKeptError) -> ApiProblem:
    members: dict[str, Any] = {
        name: str(at)
        for name, at in (("available_from", error.kept.first), ("available_until", error.kept.last))
        if at is not None
    }
    return ApiProblem("time-not-kept", f"{error.reason}; {_said(error.kept)}", **members)


def _said(kept: Kept) -> str:
    if kept.first is None and kept.last is None:
        return "there are no times yet"
    first = "its beginning" if kept.first is None else iso(kept.first)
    last = "its end" if kept.last is None else iso(kept.last)
    return f"there are times from {first} to {last}"
