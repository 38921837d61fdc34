"""Records of an older DBN version in the layouts of version 3."""

from typing import Final, cast

import databento_dbn

from depthcast.dbn import RType, forms
from depthcast.dbn.layout import LENGTH_WORD
from depthcast.dbn.metadata import DBN_VERSION
from depthcast.errors import DBNError

__all__ = ["plain_records"]

_CHANGED: Final = frozenset({int(RType.INSTRUMENT_DEF), int(RType.STATISTICS)})
"""Records whose layout is not the same in all versions (beside the control records, which are left out)."""
_CHANGED_MASK: Final = forms.rtype_mask(_CHANGED)
_NEWEST: Final = cast("databento_dbn.VersionUpgradePolicy", databento_dbn.VersionUpgradePolicy.UPGRADE_TO_V3)


def plain_records(buffer: memoryview | bytes, version: int, *, ts_out: bool) -> bytes:
    """Whole records of a stream as the feed has them: version 3, without ts_out and control records.

    Args:
        buffer: whole records.
        version: the stream's version, 1 to 3.
        ts_out: its records have a send time.

    Raises:
        RecordError: broken framing.
        DBNError: a record of an older version that cannot be brought to version 3.
    """
    data = forms.plain(buffer, ts_out=ts_out)
    if version == DBN_VERSION:
        return data
    changed = forms.form(data, rtypes=_CHANGED_MASK)
    return _weave(data, _upgraded(changed, version)) if changed else data


def _upgraded(records: bytes, version: int) -> list[bytes]:
    decoder = databento_dbn.DBNDecoder(
        has_metadata=False, ts_out=False, input_version=version, upgrade_policy=_NEWEST
    )
    decoder.write(records)
    try:
        return [bytes(record) for record in decoder.decode()]
    except databento_dbn.DBNError as error:
        raise DBNError(f"a record of version {version} that cannot be read ({error})") from None


def _weave(data: bytes, upgraded: list[bytes]) -> bytes:
    """``data`` with each record of a changed layout replaced by the next of ``upgraded``."""
    pieces: list[bytes] = []
    following = iter(upgraded)
    at = 0
    while at < len(data):
        end = at + data[at] * LENGTH_WORD
        pieces.append(next(following) if data[at + 1] in _CHANGED else data[at:end])
        at = end
    return b"".join(pieces)
