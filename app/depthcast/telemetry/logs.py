"""Structured logs on standard error: JSON, a line an event; for people where a terminal is read."""

import logging
import sys

import structlog

__all__ = ["configure_logs"]


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
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
