"""Sources given as URLs: their options, checked, and times in them."""

import datetime as dt
from collections.abc import Collection
from difflib import get_close_matches
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from depthcast.errors import UsageError

__all__ = ["SourceUrl", "parse_source_url", "parse_time"]

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class SourceUrl(NamedTuple):
    """``scheme://place?options``."""

    scheme: str
    place: str
    options: dict[str, str]


def parse_source_url(text: str, options: Collection[str], example: str) -> SourceUrl:
    """Take a source's URL apart.

    Raises:
        UsageError: it has a path, an option that is not among ``options``, or one twice.
    """
    parts = urlsplit(text)
    if parts.path.strip("/") or parts.fragment:
        raise UsageError(f"{text}: expected {example}")
    found: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in options:
            near = get_close_matches(name, options, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(options)}"
            raise UsageError(f"{text}: no option {name!r}: {hint}")
        if name in found:
            raise UsageError(f"{text}: {name} is given twice")
        found[name] = value
    return SourceUrl(parts.scheme, parts.netloc, found)


def parse_time(text: str, name: str) -> int:
    """ns since the epoch: a number of them, or ISO 8601, in UTC unless it says otherwise.

    Raises:
        UsageError: neither.
    """
    if text.isascii() and text.isdigit() and len(text) <= 19:
        return int(text)
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{name}: expected a time in ISO 8601, or ns since 1970, got {text!r}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
