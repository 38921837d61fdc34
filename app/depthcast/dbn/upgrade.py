"""Records of DBN versions 1 and 2 as version 3 has them.

Most layouts never changed: an MBO, trade, mbp, bbo, ohlcv or status record is the same in all versions. The
others are decoded and encoded again by ``databento_dbn``, which knows what the new fields are to hold.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

import databento_dbn
import numpy as np
from numpy.typing import NDArray

from depthcast.dbn import forms
from depthcast.dbn.framing import TS_OUT_SIZE, record_starts
from depthcast.dbn.layout import LENGTH_WORD, RType
from depthcast.errors import RecordError

__all__ = ["upgraded"]

LATEST: Final = 3
OLD_SIZES: Final[Mapping[int, Mapping[RType, int]]] = {
    1: {
        RType.INSTRUMENT_DEF: 360,
        RType.ERROR: 80,
        RType.SYMBOL_MAPPING: 80,
        RType.SYSTEM: 80,
        RType.STATISTICS: 64,
    },
    2: {RType.INSTRUMENT_DEF: 400, RType.STATISTICS: 64},
}
"""By version, the bytes of a record (without ts_out) whose layout is not that of version 3."""

_MASKS: Final = {version: forms.rtype_mask(sizes) for version, sizes in OLD_SIZES.items()}
_TO_VERSION_3: Final[Any] = databento_dbn.VersionUpgradePolicy.UPGRADE_TO_V3  # declared as an int
_SAME, _OLD, _OLD_WITH_TS_OUT = range(3)


def upgraded(buffer: bytes, version: int) -> bytes:
    """Whole records of a DBN version as records of version 3; the same object where none is different.

    Raises:
        RecordError: broken framing, or a record whose length is not that of its type in this version.
        ValueError: there is no such version.
    """
    if version == LATEST:
        return buffer
    if version not in OLD_SIZES:
        raise ValueError(f"no DBN version {version}: there are 1, 2 and 3")
    if not forms.form(buffer, rtypes=_MASKS[version]):
        return buffer
    data = np.frombuffer(buffer, np.uint8)
    starts = record_starts(data, 0, len(data))
    kinds = _kinds(data, starts, version)
    firsts = np.flatnonzero(np.diff(kinds, prepend=-1))
    edges = [*starts[firsts].tolist(), len(buffer)]
    return b"".join(
        buffer[begin:end] if kind == _SAME else _decoded(buffer[begin:end], version, kind, begin)
        for kind, (begin, end) in zip(kinds[firsts].tolist(), pairwise(edges), strict=True)
    )


def _kinds(data: NDArray[np.uint8], starts: NDArray[np.int64], version: int) -> NDArray[np.int8]:
    """What each record is: to be left as it is, or to be decoded, and how."""
    sizes = data[starts].astype(np.int64) * LENGTH_WORD
    kinds = np.full(len(starts), _SAME, np.int8)
    for rtype, size in OLD_SIZES[version].items():
        of_type = data[starts + 1] == rtype
        kinds[of_type & (sizes == size)] = _OLD
        kinds[of_type & (sizes == size + TS_OUT_SIZE)] = _OLD_WITH_TS_OUT
        wrong = np.flatnonzero(of_type & (kinds == _SAME))
        if len(wrong):
            raise RecordError(
                f"a record of type {rtype.name} and {sizes[wrong[0]]} bytes: "
                f"in DBN version {version} it has {size}, or {size + TS_OUT_SIZE} with ts_out",
                offset=int(starts[wrong[0]]),
                applied=0,
            )
    return kinds


def _decoded(records: bytes, version: int, kind: int, offset: int) -> bytes:
    decoder = databento_dbn.DBNDecoder(
        has_metadata=False,
        ts_out=kind == _OLD_WITH_TS_OUT,
        input_version=version,
        upgrade_policy=_TO_VERSION_3,
    )
    decoder.write(records)
    try:
        return b"".join(map(bytes, decoder.decode()))
    except databento_dbn.DBNError as error:
        raise RecordError(
            f"no records of DBN version {version}: {error}", offset=offset, applied=0
        ) from error
