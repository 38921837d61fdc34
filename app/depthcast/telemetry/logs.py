"""Structured logs on standard error: JSON, a line an event; for people where a terminal is read."""

import contextlib
import io
import logging
import os
import sys
from collections.abc import Callable
from typing import TextIO, cast

import structlog

__all__ = ["bridge_library_logs", "configure_logs"]


class _Forgiving(io.TextIOBase):
    """A stream whose reader may go away: what cannot be written then is dropped, and nobody is told.

    From then on the null device takes its place, or the interpreter would fail once more when it exits.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except OSError:
            with contextlib.suppress(OSError, ValueError):  # ValueError: a stream in memory, as tests use
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self._stream.fileno())
                os.close(null)
        except ValueError:  # it was closed
            return


_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)
"""Without the values of variables: keys and tokens are among them."""


def configure_logs(*, level: int = logging.INFO, for_people: bool | None = None) -> None:
    """Set up structlog for this process.

    Args:
        level: the least that is logged.
        for_people: colours and columns instead of JSON; by default where standard error is a terminal.
    """
    if for_people is None:
        for_people = sys.stderr.isatty()
    last: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if for_people
        else [_TRACEBACKS, structlog.processors.JSONRenderer()]
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


class _Bridge(logging.Handler):
    """Hands what libraries log to structlog, so that all lines have one form."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(record.name)
        try:
            said = record.getMessage().strip()
            log.log(record.levelno, said, logger=record.name, exc_info=record.exc_info or None)
        except Exception:  # a library's wrong format string must not end what it was about
            self.handleError(record)


def bridge_library_logs(*, level: int = logging.WARNING) -> None:
    """Have what libraries log, from ``level`` on, told as `configure_logs` says."""
    logging.basicConfig(handlers=[_Bridge()], level=level, force=True)
