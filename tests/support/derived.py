"""Derived records in tests: the derivers, and their records in short forms to compare."""

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from depthcast.book.derive import SCHEMAS, DeriverSet
from depthcast.book.reference_derive import ReferenceDeriver
from depthcast.dbn.layout import UNDEF_PRICE

AnyDeriver: TypeAlias = DeriverSet | ReferenceDeriver
DERIVERS: Final[list[type[AnyDeriver]]] = [DeriverSet, ReferenceDeriver]
EMPTY: Final = (None, 0, 0)
"""A level that is not there."""


def records(schema: str, derived: bytes) -> NDArray[np.void]:
    """Derived bytes as records; their lengths and types are checked on the way."""
    found = np.frombuffer(derived, SCHEMAS[schema].dtype)
    assert (found["length"] == found.dtype.itemsize // 4).all()
    assert (found["rtype"] == SCHEMAS[schema].rtype).all()
    return found


def derived(deriver: AnyDeriver, *pieces: bytes) -> dict[str, bytes]:
    """What a deriver gives for these pieces and the end of data."""
    out = {schema: bytearray() for schema in SCHEMAS}
    for answer in [*map(deriver.apply, pieces), deriver.flush()]:
        for schema, new in answer.items():
            out[schema] += new
    return {schema: bytes(found) for schema, found in out.items()}


def of(
    kind: type[AnyDeriver],
    schema: str,
    feed: Iterable[bytes],
    *,
    publisher_id: int | None = None,
    instrument_id: int | None = None,
) -> NDArray[np.void]:
    """The records of one schema that a feed gives, to its end."""
    deriver = kind([schema], publisher_id=publisher_id, instrument_id=instrument_id)
    return records(schema, derived(deriver, b"".join(feed))[schema])


def happened(found: Iterable[Any]) -> list[tuple[str, str, int, int, int]]:
    """(action, side, price, size, depth) of each record."""
    return [
        (one["action"].decode(), one["side"].decode(), int(one["price"]), int(one["size"]), int(one["depth"]))
        for one in found
    ]


def shown(record: Any, side: str, levels: int) -> list[tuple[int | None, int, int]]:
    """(price, size, count) of a record's first levels of a side, "bid" or "ask"; None is no price."""
    return [
        (
            None if level[f"{side}_px"] == UNDEF_PRICE else int(level[f"{side}_px"]),
            int(level[f"{side}_sz"]),
            int(level[f"{side}_ct"]),
        )
        for level in record["levels"][:levels]
    ]
