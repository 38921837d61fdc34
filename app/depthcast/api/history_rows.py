"""Rows of history as JSON."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from depthcast.store.history.encoders import ns_of, price_text, uint64
from depthcast.store.history.fields import Field, Form
from depthcast.store.history.query import Query

__all__ = ["json_rows"]

_LEFT_OUT: Final = frozenset({"instrument_id"})
"""It is the same in every row, and said once."""
_PARTS: Final = ("px", "sz", "ct")
_encode: Final = msgspec.json.Encoder().encode


def json_rows(query: Query, rows: Sequence[Any]) -> bytes:
    """The rows as objects, with commas between them."""
    members = _members(query.fields)
    objects = [{name: value(row) for name, value in members} for row in rows]
    return _encode(objects)[1:-1]


def _members(fields: Sequence[Field]) -> list[tuple[str, Callable[[Any], Any]]]:
    places = {field.name: place for place, field in enumerate(fields)}
    members: list[tuple[str, Callable[[Any], Any]]] = []
    for place, (name, form, _) in enumerate(fields):
        if form in (Form.PRICES, Form.UINT32S):
            side, part = name.split("_")
            if part == _PARTS[0]:
                members.append((f"{side}s", _levels(*(places[f"{side}_{each}"] for each in _PARTS))))
        elif name not in _LEFT_OUT:
            members.append((name, _value(place, form)))
    return members


def _levels(px: int, sz: int, ct: int) -> Callable[[Any], Any]:
    def levels(row: Any) -> Any:
        return list(zip(map(price_text, row[px]), row[sz], row[ct], strict=True))

    return levels


def _value(place: int, form: Form) -> Callable[[Any], Any]:
    convert = _CONVERT.get(form)

    def plain(row: Any) -> Any:
        return row[place]

    def converted(row: Any) -> Any:
        value = row[place]
        return None if value is None else convert(value)  # type: ignore[misc]

    return plain if convert is None else converted


_CONVERT: Final[dict[Form, Callable[[Any], Any]]] = {
    Form.TIME: lambda bits: str(uint64(bits)),
    Form.LABEL: lambda label: str(ns_of(label)),
    Form.PRICE: price_text,
    Form.UINT64: str,
}
