"""Books as JSON text: one document, or a line or array element a book (docs/book.schema.json)."""

import json
from collections.abc import Sequence
from typing import Any, BinaryIO, Final

import msgspec

from depthcast.book.views import BookView, iso
from depthcast.cli._feed import Partial, SourceFile

__all__ = ["BookStream", "document", "pretty"]

_WIDTH: Final = 100
_SURELY_LONG: Final = 50
"""A list of more items than this never fits in a line."""


def document(
    books: Sequence[BookView],
    *,
    sources: Sequence[SourceFile],
    counters: dict[str, int],
    partial: Partial | None,
) -> dict[str, Any]:
    """The result of a run: the book's own object if there is one book, else ``{"books": [...]}``.

    ``counters`` are the engine's: of all books, also of those that are not listed.
    """
    forms: list[dict[str, Any]] = [msgspec.to_builtins(book) for book in books]
    for form in forms:
        form["metadata"]["sources"] = msgspec.to_builtins(sources)
    whole: dict[str, Any] = forms[0] if len(forms) == 1 else {"books": forms}
    whole["counters"] = counters
    if partial is not None:
        whole["partial"] = msgspec.to_builtins(partial)
    return whole


def pretty(value: Any, indent: int = 0) -> str:
    """JSON in which whatever fits in a line is in one: a level a line, an order a line."""
    short = not isinstance(value, list) or len(value) <= _SURELY_LONG
    if short and (
        not (flat := json.dumps(value, ensure_ascii=False))[_WIDTH - indent :] or flat[0] not in "{["
    ):
        return flat
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        items = [f"{inner}{json.dumps(key)}: {pretty(item, indent + 2)}" for key, item in value.items()]
        begin, end = "{", "}"
    else:
        items = [inner + pretty(item, indent + 2) for item in value]
        begin, end = "[", "]"
    return begin + "\n" + ",\n".join(items) + "\n" + " " * indent + end


class BookStream:
    """Books one after another: lines of NDJSON, or the elements of a JSON array."""

    def __init__(self, stream: BinaryIO, *, as_array: bool) -> None:
        self.written = 0
        self._stream = stream
        self._as_array = as_array
        self._encoder = msgspec.json.Encoder()

    def write(self, book: BookView, *, at: int | None = None) -> None:
        """Write a book; ``at`` is the time of the grid that it stands for."""
        line: dict[str, Any] = {} if at is None else {"at": str(at), "at_iso": iso(at)}
        line |= {name: getattr(book, name) for name in book.__struct_fields__}
        self._put(line)

    def end(self, partial: Partial | None) -> None:
        """Write what ended the feed early, if anything did, and close the array."""
        if partial is not None:
            self._put({"partial": partial})
        if self._as_array:
            self._stream.write(b"\n]\n" if self.written else b"[]\n")

    def _put(self, item: Any) -> None:
        text = self._encoder.encode(item)
        if self._as_array:
            self._stream.write((b",\n" if self.written else b"[\n") + text)
        else:
            self._stream.write(text + b"\n")
        self.written += 1
