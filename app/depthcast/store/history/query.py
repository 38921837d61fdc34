"""Rows of one instrument over a range of time, in an order that new rows do not disturb.

Records come in the order of their time (to the microsecond), then of their place in the feed. Rows of steps
come by the time they are named after, then by publisher. A row's `Key` is its place in that order, and a
page begins after a key: it neither repeats nor leaves out a row, however many came at the end meanwhile.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import dropwhile
from typing import Any, Final, NamedTuple

from depthcast.store.connect import Connection
from depthcast.store.grid import DEFAULT_GRID_MS
from depthcast.store.history.fields import Field, Kind, fields_of

__all__ = ["STEPS", "Key", "Query", "fetch", "key_of", "page_end", "stream"]

STEPS: Final[dict[str, int]] = {
    "10ms": 10, "20ms": 20, "50ms": 50, "100ms": 100, "200ms": 200, "250ms": 250, "500ms": 500,
    "1s": 1_000, "5s": 5_000, "10s": 10_000, "15s": 15_000, "30s": 30_000,
    "1m": 60_000, "5m": 300_000, "10m": 600_000, "15m": 900_000, "30m": 1_800_000,
    "1h": 3_600_000, "4h": 14_400_000, "1d": 86_400_000,
}  # fmt: skip
"""Steps by name, in ms; below a second only of depth. Each divides a day; they begin at midnight, UTC."""

_US: Final = 1_000
"""ns."""
_US_PER_MS: Final = 1_000
_SECOND: Final = 1_000
"""ms."""
_DAY: Final = 86_400 * _SECOND
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_US: Final = timedelta(microseconds=1)
_BARS: Final = {_SECOND: "ohlcv_1s", 60 * _SECOND: "ohlcv_1m", 3_600 * _SECOND: "ohlcv_1h"}
_BAR: Final = """\
SELECT date_bin({step}, ts, 'epoch'::timestamptz) AS label, instrument_id, publisher_id, shard,
  (array_agg(open_1e9 ORDER BY ts) FILTER (WHERE open_1e9 IS NOT NULL))[1] AS open_1e9,
  max(high_1e9) AS high_1e9, min(low_1e9) AS low_1e9,
  (array_agg(close_1e9 ORDER BY ts DESC) FILTER (WHERE close_1e9 IS NOT NULL))[1] AS close_1e9,
  sum(volume)::bigint AS volume, sum(trades)::bigint AS trades"""
_WINDOW: Final = {_SECOND: _DAY, 60 * _SECOND: 8 * _DAY, 3_600 * _SECOND: 64 * _DAY}
"""How much of stored bars is looked through by one statement, ms; a multiple of every step."""
_CELLS: Final = 7_200
"""Of quotes and levels, which are wider, about so many rows are: no index has them in the order of a page."""

Key = tuple[int | str, ...]
"""A row's place: its time in µs since the epoch, and what tells it from others of that time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked for.

    Attributes:
        kind: of which rows.
        dataset, instrument_id: of what.
        publisher_id: whose; None for all.
        start_ns, end_ns: the range, its end excluded; ns since the epoch. Records are in it by ``ts_recv``
            (else ``ts_event``), rows of steps by the time they are named after.
        step_ms: a value of `STEPS`; 0 for every single record.
        descending: the newest first.
        grid_ms: the grid that stored depth has.
    """

    kind: Kind
    dataset: str
    instrument_id: int
    publisher_id: int | None
    start_ns: int
    end_ns: int
    step_ms: int
    descending: bool = False
    grid_ms: int = DEFAULT_GRID_MS

    @property
    def fields(self) -> tuple[Field, ...]:
        return fields_of(self.kind, self.step_ms)

    @property
    def key_names(self) -> tuple[str, ...]:
        """The columns of a key."""
        if self.step_ms:
            return ("label", "publisher_id", "shard")
        return ("label", "epoch", "position", "ordinal", "shard")


class _Window(NamedTuple):
    """A part of the range: times of rows, both included, µs since the epoch."""

    first_us: int
    last_us: int


def key_of(query: Query, row: Sequence[Any]) -> Key:
    """The place of a row that `fetch` or `stream` gave."""
    label, *rest = row[-len(query.key_names) :]
    return ((label - _EPOCH) // _ONE_US, *rest)


async def fetch(
    connection: Connection, query: Query, after: Key | None, limit: int, *, timeout_s: float | None = None
) -> list[Any]:
    """The next rows, at most ``limit``: after a key, or from the beginning.

    Each has the values of the query's fields, and after them those of its key.

    Raises:
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: the database fails.
    """
    rows: list[Any] = []
    windows = _windows(query, after)
    while (window := next(windows, None)) is not None and len(rows) < limit:
        sql, arguments = _statement(query, window, after, query.fields)
        found = await connection.fetch(f"{sql} LIMIT {limit - len(rows):d}", *arguments, timeout=timeout_s)
        rows += found
        if not found:
            windows = await _beyond(connection, query, window, windows, timeout_s)
    return rows


async def page_end(
    connection: Connection, query: Query, after: Key | None, limit: int, *, timeout_s: float | None = None
) -> Key | None:
    """The key of the last row of a page of ``limit`` if more follow it; else None. Raises as `fetch`."""
    left = limit
    last: Key | None = None
    windows = _windows(query, after)
    while (window := next(windows, None)) is not None:
        sql, arguments = _statement(query, window, after, ())
        if not query.step_ms:  # one window, in which the server does the counting
            rows = await connection.fetch(
                f"{sql} OFFSET {limit - 1:d} LIMIT 2", *arguments, timeout=timeout_s
            )
            return key_of(query, rows[0]) if len(rows) > 1 else None
        rows = await connection.fetch(f"{sql} LIMIT {left + 1:d}", *arguments, timeout=timeout_s)
        if len(rows) > left:
            return key_of(query, rows[left - 1]) if left else last
        left -= len(rows)
        if rows:
            last = key_of(query, rows[-1])
        else:
            windows = await _beyond(connection, query, window, windows, timeout_s)
    return None


async def stream(connection: Connection, query: Query, chunk: int) -> AsyncIterator[list[Any]]:
    """All rows, so many at a time, by a cursor of the server: as they were when the first was asked for.

    Raises as `fetch` does.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        windows = _windows(query, None)
        while (window := next(windows, None)) is not None:
            sql, arguments = _statement(query, window, None, query.fields)
            cursor = await connection.cursor(sql, *arguments)
            found = False
            while rows := await cursor.fetch(chunk):
                found = True
                yield rows
            if not found:
                windows = await _beyond(connection, query, window, windows, None)


async def _beyond(
    connection: Connection, query: Query, empty: _Window, windows: Iterator[_Window], timeout_s: float | None
) -> Iterator[_Window]:
    """The windows after an empty one, from the next stored row on: years without rows cost nothing."""
    if not query.step_ms:  # there is but one
        return iter(())
    step_us = query.step_ms * _US_PER_MS
    first_us, last_us = query.start_ns // _US - step_us, query.end_ns // _US + step_us
    rest = _Window(first_us, empty.first_us - 1) if query.descending else _Window(empty.last_us + 1, last_us)
    given = _Arguments()
    inside = _inside(query, rest, given)
    turn = " DESC" if query.descending else ""
    asked = f"history.{_view(query)} WHERE {_all(inside)}"
    sql = f"SELECT ts FROM {asked} ORDER BY ts{turn} LIMIT 1"  # noqa: S608 # nosec B608
    nearest = await connection.fetchval(sql, *given, timeout=timeout_s)
    if nearest is None:
        return iter(())
    nearest_us = (nearest - _EPOCH) // _ONE_US
    return dropwhile(
        lambda each: each.first_us > nearest_us if query.descending else each.last_us < nearest_us, windows
    )


def _is_gathered(query: Query) -> bool:
    """Whether its steps are longer than those that are stored."""
    return query.step_ms != _stored_step(query)


def _stored_step(query: Query) -> int:
    """The longest step that is stored and of which the query's consists."""
    if query.kind is Kind.DEPTH:
        return min(query.step_ms, query.grid_ms)
    if query.kind is not Kind.OHLCV:
        return min(query.step_ms, _SECOND)
    return max(each for each in _BARS if query.step_ms % each == 0)


def _windows(query: Query, after: Key | None) -> Iterator[_Window]:
    """The times of the stored rows that make up the rest of the range, in the query's order."""
    if not query.step_ms:
        yield from _clipped(query, after, *_record_times(query))
        return
    step_us = query.step_ms * _US_PER_MS
    first = -(-query.start_ns // (step_us * _US)) * step_us
    last = (query.end_ns - 1) // (step_us * _US) * step_us
    for labels in _clipped(query, after, first, last):
        if not _is_gathered(query):
            yield from _cut(query, labels)
            continue
        # Quotes of a step lie before the time it is named after, (a, b]; trades after it, [a, b).
        before, behind = (step_us - 1, 0) if query.kind is not Kind.OHLCV else (0, step_us - 1)
        yield from _cut(query, _Window(labels.first_us - before, labels.last_us + behind))


def _record_times(query: Query) -> tuple[int, int]:
    """Between which times, as they are stored, the records of the range are."""
    if query.kind is Kind.TRADES:  # rounded down
        return query.start_ns // _US, (query.end_ns - 1) // _US
    return -(-query.start_ns // _US), -(-(query.end_ns - 1) // _US)


def _clipped(query: Query, after: Key | None, first_us: int, last_us: int) -> Iterator[_Window]:
    """The range without what was read; nothing if it is empty."""
    if after is not None:
        at_us = int(after[0])
        first_us, last_us = (
            (first_us, min(last_us, at_us)) if query.descending else (max(first_us, at_us), last_us)
        )
    if query.start_ns < query.end_ns and first_us <= last_us:
        yield _Window(first_us, last_us)


def _cut(query: Query, whole: _Window) -> Iterator[_Window]:
    """A range in windows that no step lies across."""
    length = _window_ms(query) * _US_PER_MS
    shift = 1 if query.kind is not Kind.OHLCV else 0
    first, last = ((each - shift) // length for each in whole)
    numbers = range(last, first - 1, -1) if query.descending else range(first, last + 1)
    for number in numbers:
        begun = number * length + shift
        yield _Window(max(begun, whole.first_us), min(begun + length - 1, whole.last_us))


def _window_ms(query: Query) -> int:
    """How much is looked through by one statement, a multiple of the step."""
    stored = _stored_step(query)
    if query.kind is Kind.OHLCV:
        return _WINDOW[stored]
    return max(stored * _CELLS // query.step_ms, 1) * query.step_ms


class _Arguments(list[Any]):
    """Arguments of a statement; each is named when it is added."""

    def add(self, value: Any) -> str:
        self.append(value)
        return f"${len(self)}"


def _statement(
    query: Query, window: _Window, after: Key | None, fields: Sequence[Field]
) -> tuple[str, _Arguments]:
    """The rows of a window in order: the fields, then the key. All names in it are our own."""
    given = _Arguments()
    inside = _inside(query, window, given)
    if not query.step_ms:
        # To the nanosecond; asked of the first and last microsecond only, or the planner expects few rows.
        time = "coalesce(ts_recv, ts_event, 0)"
        inside += [
            f"(ts > $3 OR {time} >= {given.add(query.start_ns)})",
            f"(ts < $4 OR {time} < {given.add(query.end_ns)})",
        ]
    beyond = []
    if after is not None:
        values = [given.add(_moment(int(after[0]))), *(given.add(each) for each in after[1:])]
        then = "<" if query.descending else ">"
        beyond = [f"({', '.join(query.key_names)}) {then} ({', '.join(values)})"]
    turn = " DESC" if query.descending else ""
    order = ", ".join(f"{name}{turn}" for name in query.key_names)
    selected = ", ".join([*(field.sql for field in fields), *query.key_names])
    view = f"history.{_view(query)}"
    if not _is_gathered(query):
        places = f"{view} CROSS JOIN LATERAL (SELECT ts AS label) AS named"
        rows = f"SELECT {selected} FROM {places}"  # noqa: S608 # nosec B608
        return f"{rows} WHERE {_all(inside + beyond)} ORDER BY {order}", given
    step = f"{given.add(timedelta(milliseconds=query.step_ms))}::interval"
    if query.kind is Kind.OHLCV:
        bars = f"{_BAR.format(step=step)} FROM {view} WHERE {_all(inside)} GROUP BY 1, 2, 3, 4"
        rows = f"SELECT {selected} FROM ({bars}) AS bars"  # noqa: S608 # nosec B608
        return f"{rows}{' WHERE ' if beyond else ''}{_all(beyond)} ORDER BY {order}", given
    label = f"date_bin({step}, ts - interval '1 microsecond', 'epoch'::timestamptz) + {step}"
    places = f"{view} CROSS JOIN LATERAL (SELECT {label} AS label) AS named"
    selected = selected.replace(
        "updates", "sum(updates) OVER (PARTITION BY label, publisher_id, shard)::bigint"
    )
    apart = ", ".join(query.key_names)
    rows = f"SELECT DISTINCT ON ({apart}) {selected} FROM {places}"  # noqa: S608 # nosec B608
    return f"{rows} WHERE {_all(inside + beyond)} ORDER BY {order}, ts DESC", given


def _inside(query: Query, window: _Window, given: _Arguments) -> list[str]:
    """The conditions that a window's rows fulfil."""
    inside = [
        f"dataset = {given.add(query.dataset)}",
        f"instrument_id = {given.add(query.instrument_id)}",
        f"ts >= {given.add(_moment(window.first_us))}",
        f"ts <= {given.add(_moment(window.last_us))}",
    ]
    if query.publisher_id is not None:
        inside.append(f"publisher_id = {given.add(query.publisher_id)}")
    return inside


def _view(query: Query) -> str:
    if query.kind is Kind.OHLCV:
        return _BARS[_stored_step(query)]
    return "bbo_1s" if query.kind is Kind.BBO and query.step_ms else query.kind.value


def _all(conditions: Sequence[str]) -> str:
    return " AND ".join(conditions)


def _moment(us: int) -> datetime:
    return _EPOCH + us * _ONE_US
