"""Times as people write them: ns since the epoch, or ISO 8601."""

import re
from datetime import UTC, datetime
from typing import Final

from depthcast.dbn.layout import UNDEF_TIMESTAMP

__all__ = ["EXPECTED_TIME", "TIME_PATTERN", "parse_ns"]

EXPECTED_TIME: Final = "expected ns since the epoch, or a time such as 2025-09-24T20:59:59.5Z"
TIME_PATTERN: Final = (
    r"^([0-9]{1,19}|(19[7-9][0-9]|2[0-4][0-9]{2})-"
    r"((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-9]))"
    r"([Tt ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?)?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])?)$"
)
"""What `parse_ns` takes, for documents; it takes 20 digits and blanks too."""
_NS: Final = 1_000_000_000
_ISO: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?)? ?(Z|[+-]\d\d:?\d\d)?",
    re.IGNORECASE | re.ASCII,
)


def parse_ns(text: str) -> int | None:
    """A time in ns since the epoch: an integer, or ISO 8601 with up to nine decimals (UTC unless it says).

    Returns:
        None for anything else, and for what is out of the range of a DBN timestamp.
    """
    ns = int(text) if re.fullmatch(r"[0-9]{1,20}", text) else _parse_iso(text)
    return ns if ns is not None and 0 <= ns < UNDEF_TIMESTAMP else None


def _parse_iso(text: str) -> int | None:
    match = _ISO.fullmatch(text.strip())
    if match is None:
        return None
    date, clock, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock or '00:00'}{(zone or 'Z').upper()}")
    except ValueError:  # the 32nd of a month, an hour 25
        return None
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * _NS + int((fraction or "").ljust(9, "0"))
