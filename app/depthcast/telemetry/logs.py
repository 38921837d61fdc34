"""Structured logs on standard error: JSON, a line an event; for people where a terminal is read."""

import contextlib
import io
import logging
import sys
from typing import TextIO, cast

import structlog

__all__ = ["configure_logs"]


class _Forgiving(io.TextIOBase):
    """A stream whose reader may go away: what cannot be written then is dropped, and nobody is told."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def configure_logs(*, level: int = logging.INFO, for_people: bool | None = None) -> None:
    """Set up structlog for this process.

    Args:
        level: the least that is logged.
        for_people: colours and columns instead of JSON; by default where standard error is a terminal.
    """
    if for_people is None:
        for_people = sys.stderr.isatty()
    last: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if for_people
        else [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _Forgiving(sys.stderr))),
        cache_logger_on_first_use=True,
    )
