"""From what a request for history says to the rows it means, and to the bytes of the answer."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, cast
from urllib.parse import urlencode

from depthcast.api import etags
from depthcast.api.answers import encode
from depthcast.api.database import HistoryDatabase
from depthcast.api.history_payloads import HistoryInfo
from depthcast.api.history_rows import json_rows
from depthcast.api.problems import ApiProblem, invalid
from depthcast.dbn.times import EXPECTED_TIME, parse_ns
from depthcast.errors import UsageError
from depthcast.store.connect import Connection
from depthcast.store.grid import DEFAULT_GRID_MS, grid_of
from depthcast.store.history.cursor import Cursor, decode_cursor, encode_cursor, question
from depthcast.store.history.encoders import Encoder, FileFormat, make_encoder
from depthcast.store.history.fields import Kind
from depthcast.store.history.ledger import Named, Reach, find_instrument, reach
from depthcast.store.history.query import STEPS, Key, Query, fetch, key_of, page_end

__all__ = ["DEFAULT_ROWS", "MAX_JSON_ROWS", "MAX_ROWS", "Asked", "Page", "settle"]

DEFAULT_ROWS: Final = 1_000
DEFAULT_FILE_ROWS: Final = 100_000
MAX_JSON_ROWS: Final = 10_000
MAX_ROWS: Final = 1_000_000
CHUNK: Final = 1_000
DEPTH_CHUNK: Final = 500
"""Rows that are fetched, and held, at a time; those of depth are ten times as long."""
FEW: Final = 100
"""So few rows are encoded on the loop: a thread would take longer."""
NS: Final = 1_000_000_000
NS_PER_MS: Final = 1_000_000
_US: Final = 1_000
_FOREVER: Final = 4 * 10**18
"""ns: after all that is stored."""

Format = Literal["json", "csv", "arrow", "parquet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request's parameters, read and checked as far as that is possible without the database."""

    kind: Kind
    instrument: str
    publisher: int | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    step: str | None = None
    descending: bool = False
    cursor: str | None = None

    @classmethod
    def of(
        cls, kind: Kind, instrument: str, *, start: str | None = None, end: str | None = None, **more: Any
    ) -> "Asked":
        """The same from times as they are written. Raises ApiProblem for what is none."""
        start_ns, end_ns = _time("start", start), _time("end", end)
        if start_ns is not None and end_ns is not None and end_ns < start_ns:
            raise invalid("end", "is before start")
        return cls(kind=kind, instrument=instrument, start_ns=start_ns, end_ns=end_ns, **more)

    @property
    def step_ms(self) -> int:
        return 0 if self.step is None else STEPS[self.step]


@dataclass(frozen=True, slots=True)
class Page:
    """What a request means: rows of an instrument, from a place on.

    Attributes:
        named: the instrument.
        query: the rows, of all pages.
        after: the key of the last row before this page; None for the first.
        reached: how far history goes.
        until_ns: the end that was asked for; None if none was.
        asked: what stands for the request in cursors.
        step: the step's name.
    """

    named: Named
    query: Query
    after: Key | None
    reached: Reach
    until_ns: int | None
    asked: bytes
    step: str | None

    @property
    def settled(self) -> bool:
        """Whether what is in the range will not change: history goes beyond it, and nothing is missing."""
        last, until = self.reached.last_ns, self.until_ns
        rest_ns = max(self.query.step_ms * NS_PER_MS, NS)
        if last is None or until is None:
            return False
        return self.reached.gaps == 0 and until <= last - rest_ns

    def tag(self, *parts: object) -> str:
        """An entity tag: another one whenever a segment of the range comes or goes."""
        asked = (self.query.end_ns, self.query.start_ns, self.after, self.reached.version, *parts)
        return etags.weak(self.asked.hex(), etags.of_content(encode(asked)))

    def cursor(self, last: Key) -> str:
        """Where the page after the row of this key begins."""
        return encode_cursor(self.asked, Cursor(self.query.end_ns, last))

    def info(self) -> HistoryInfo:
        query = self.query
        return HistoryInfo(
            dataset=self.named.dataset,
            symbol=self.named.symbol or None,
            instrument_id=self.named.instrument_id,
            publisher_id=query.publisher_id,
            start=str(query.start_ns),
            end=str(query.end_ns),
            step=self.step,
            order="desc" if query.descending else "asc",
            available_from=_text(self.reached.first_ns),
            available_until=_text(self.reached.last_ns),
            complete=self.reached.gaps == 0,
        )


async def settle(connection: Connection, asked: Asked, *, where: Literal["query", "body"] = "query") -> Page:
    """What a request means, given what history there is. ``where`` its parameters are, for problems.

    Raises:
        ApiProblem: the cursor is none, or one of another request; or there are no such steps.
        BookError: history has no such instrument, or several.
    """
    named = await find_instrument(connection, asked.instrument)
    stands_for = question(
        asked.kind, *named[:2], asked.publisher, asked.start_ns, asked.end_ns, asked.step, asked.descending
    )
    grid_ms = await grid_of(connection) if asked.kind is Kind.DEPTH else DEFAULT_GRID_MS
    if asked.step_ms % grid_ms:
        raise invalid("step", f"is no multiple of {grid_ms} ms, the grid of what is stored", where=where)
    cursor = None
    if asked.cursor is not None:
        try:
            cursor = decode_cursor(stands_for, asked.cursor, steps=bool(asked.step_ms))
        except ValueError as error:
            raise invalid("cursor", str(error)) from None
    until_ns = asked.end_ns if cursor is None else cursor.end_ns
    start_ns = asked.start_ns
    limits = start_ns or 0, _FOREVER if until_ns is None else until_ns
    reached = await reach(connection, named.dataset, *limits)
    query = Query(
        kind=asked.kind,
        dataset=named.dataset,
        instrument_id=named.instrument_id,
        publisher_id=asked.publisher,
        start_ns=_first(asked, reached) if start_ns is None else start_ns,
        end_ns=_end(asked, reached, until_ns),
        step_ms=asked.step_ms,
        descending=asked.descending,
        grid_ms=grid_ms,
    )
    if cursor is None and not asked.step_ms:
        query = await _until_newest(connection, query, reached)
    after = None if cursor is None else cursor.after
    return Page(named, query, after, reached, until_ns, stands_for, asked.step)


async def _until_newest(connection: Connection, query: Query, reached: Reach) -> Query:
    """Single records that end where history ends for now end right after the newest one there is.

    History ends with a second, of which segments to come may have more: who asks from the end on gets them.
    """
    if reached.last_ns is None or query.end_ns <= reached.last_ns - NS:
        return query
    rows = await fetch(connection, replace(query, descending=True), None, 1)
    if not rows:
        return replace(query, end_ns=query.start_ns)
    of_row = dict(zip((field.name for field in query.fields), rows[0], strict=False))
    time_ns = next((of_row[name] for name in ("ts_recv", "ts_event") if of_row[name] is not None), 0)
    return replace(query, end_ns=time_ns + 1)


async def json_page(
    database: HistoryDatabase, page: Page, limit: int, path: str, parameters: Mapping[str, Any]
) -> AsyncIterator[bytes]:
    """A page as JSON. ``path`` and ``parameters`` are the request's, for the address of the next page."""
    yield b'{"metadata":' + encode(page.info()) + b',"rows":['
    after, left, divided = page.after, limit, b""
    following: str | None = None
    chunk = _chunk(page.query)
    while left:
        wanted = min(left, chunk)
        async with database.connection() as connection:
            rows = await fetch(connection, page.query, after, wanted + (wanted == left))
        more, rows = rows[wanted:], rows[:wanted]
        if rows:
            after = key_of(page.query, rows[-1])
            yield divided + await _encoded(json_rows, page.query, rows)
            divided = b","
        left -= len(rows)
        if more and after is not None:
            rest = {name: value for name, value in parameters.items() if value is not None}
            following = f"{path}?{urlencode({**rest, 'cursor': page.cursor(after)})}"
        if len(rows) < wanted:
            break
    yield b'],"next":' + encode(following) + b"}"


async def file_page(
    database: HistoryDatabase, page: Page, encoder: Encoder, limit: int
) -> AsyncIterator[bytes]:
    """A page as a file."""
    after, left = page.after, limit
    yield encoder.begin()
    while left:
        wanted = min(left, _chunk(page.query))
        async with database.connection() as connection:
            rows = await fetch(connection, page.query, after, wanted)
        if rows:
            after = key_of(page.query, rows[-1])
            yield await _encoded(encoder.rows, rows)
        left -= len(rows)
        if len(rows) < wanted:
            break
    yield await asyncio.to_thread(encoder.end)


async def last_key(connection: Connection, page: Page, limit: int) -> Key | None:
    """The key of the page's last row, if there is another page."""
    return await page_end(connection, page.query, page.after, limit)


async def file_encoder(form: FileFormat, page: Page) -> Encoder:
    """An encoder for the page's rows.

    Raises:
        ApiProblem: the server lacks the library for it.
    """
    try:
        # In a thread: the first time it loads a library.
        return await asyncio.to_thread(make_encoder, form, page.query, page.named)
    except UsageError as error:
        raise ApiProblem("not-acceptable", str(error)) from None


def headers_of(page: Page, tag: str) -> dict[str, str]:
    """The headers of an answer: how it may be kept, and how far history goes."""
    reached = page.reached
    span = f'from="{_text(reached.first_ns) or ""}", until="{_text(reached.last_ns) or ""}"'
    return {
        "Cache-Control": "private, max-age=3600" if page.settled else "private, no-cache",
        "ETag": tag,
        "Vary": "Accept",
        "Depthcast-History": f"{span}, complete=?{reached.gaps == 0:d}",
    }


def file_name(named: Named) -> str:
    """What a file of an instrument is called: its symbol, without what is no letter or digit."""
    text = named.symbol or str(named.instrument_id)
    return "".join(each if each.isascii() and each.isalnum() else "-" for each in text)


async def _encoded(make: Any, *arguments: Any) -> bytes:
    """What a function makes of rows; of many in a thread, so that streams are not held up."""
    rows: Sequence[Any] = arguments[-1]
    if len(rows) <= FEW:
        return cast("bytes", make(*arguments))
    return cast("bytes", await asyncio.to_thread(make, *arguments))


def _chunk(query: Query) -> int:
    return DEPTH_CHUNK if query.kind is Kind.DEPTH else CHUNK


def _first(asked: Asked, reached: Reach) -> int:
    """The beginning of history; of bars the start of the first one."""
    first = reached.first_ns or 0
    if asked.kind is Kind.OHLCV:
        step_ns = asked.step_ms * NS_PER_MS
        return first // step_ns * step_ns
    return first


def _end(asked: Asked, reached: Reach, until_ns: int | None) -> int:
    """The end of the range, or of history if that comes first: then up to the end of the last step."""
    if reached.last_ns is None:
        return until_ns or 0
    last = reached.last_ns
    if asked.kind is not Kind.OHLCV and asked.step_ms:
        step_ns = asked.step_ms * NS_PER_MS
        last = -(-last // step_ns) * step_ns
    return last + _US if until_ns is None else min(until_ns, last + _US)


def _time(field: str, text: str | None) -> int | None:
    if text is None:
        return None
    ns = parse_ns(text)
    if ns is None:
        raise invalid(field, EXPECTED_TIME)
    return min(ns, _FOREVER)


def _text(ns: int | None) -> str | None:
    return None if ns is None else str(ns)
