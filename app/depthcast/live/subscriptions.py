"""What a session subscribed to: lines put together to requests, requests to instruments."""

from collections.abc import Iterator
from typing import NamedTuple

from depthcast.errors import SessionError
from depthcast.live import control
from depthcast.live.control import ErrorCode
from depthcast.live.feed_view import FeedView
from depthcast.live.joins import Part
from depthcast.live.limits import GatewayLimits
from depthcast.live.lines import shown
from depthcast.live.mappings import MappingDesk, mapping_records
from depthcast.live.requests import ALL_SYMBOLS, SubscriptionRequest
from depthcast.live.selection import ALL, Selection
from depthcast.live.symbology import Resolution

__all__ = ["Subscription", "Subscriptions"]


class Subscription(NamedTuple):
    """One request, resolved. ``answer`` is what the session is told of it, before its data."""

    part: Part
    answer: bytes


class _Request(NamedTuple):
    """The lines of one request so far."""

    first: SubscriptionRequest
    symbols: dict[str, None]

    def belongs(self, line: SubscriptionRequest) -> bool:
        """Whether a line differs from the first one in nothing but its symbols."""
        first = self.first
        return (line.schema, line.stype_in, line.start, line.snapshot) == (
            first.schema,
            first.stype_in,
            first.start,
            first.snapshot,
        )


class _Growing(NamedTuple):
    """A request whose symbols may stand for more instruments one day."""

    request: _Request
    known: set[int]


class Subscriptions:
    """The subscriptions of one session.

    Attributes:
        version: of the symbology, as far as `learn` has told the session.
    """

    def __init__(self, view: FeedView, mappings: MappingDesk, limits: GatewayLimits) -> None:
        self.version = view.symbology.version
        self._view = view
        self._desk = mappings
        self._limits = limits
        self._open: dict[int | None, _Request] = {}
        self._whole: list[_Request] = []
        self._count = 0
        self._symbols = 0
        self._mapped: set[int] = set()
        self._all_mapped_as: str | None = None
        self._growing: list[_Growing] = []

    def take(self, line: SubscriptionRequest) -> None:
        """Take one line.

        Raises:
            SessionError: a schema that is not served, a line that does not fit the ones before it, too much.
        """
        if line.schema not in self._view.schemas:
            served = ", ".join(sorted(self._view.schemas))
            raise _invalid(f"schema: {line.schema} is not served here; there are {served}")
        request = self._open.get(line.id)
        if request is None:
            self._count += 1
            if self._count > self._limits.subscriptions:
                raise _invalid(f"more than {self._limits.subscriptions:,} subscriptions in one session")
            request = self._open[line.id] = _Request(line, {})
        elif not request.belongs(line):
            raise _invalid(f"id {line.id}: its lines differ in more than their symbols")
        request.symbols.update(dict.fromkeys(line.symbols))
        self._symbols += len(line.symbols)
        if self._symbols > self._limits.symbols:
            raise _invalid(f"symbols: more than {self._limits.symbols:,} in one session")
        if line.is_last:
            self._whole.append(self._open.pop(line.id))

    def complete(self, now_ns: int) -> Iterator[Subscription]:
        """The requests whose last line has come since, as of now."""
        requests, self._whole = self._whole, []
        if not self._mapped and self._all_mapped_as is None:
            self.version = self._view.symbology.version
        for request in requests:
            yield self._resolved(request, now_ns)

    def _resolved(self, request: _Request, now_ns: int) -> Subscription:
        first = request.first
        records = [control.acknowledgement(first.id, first.schema, ts_event=now_ns)]
        if ALL_SYMBOLS in request.symbols:
            selection = ALL
            records.append(self._all_mappings(first.stype_in, now_ns))
        else:
            found = self._view.symbology.resolve(first.stype_in, list(request.symbols))
            selection = Selection(frozenset(found.ids))
            records += _unresolved(found.unresolved, first.stype_in, now_ns)
            records.append(self._mappings(found, first.stype_in, now_ns))
            if first.stype_in == "parent":
                self._growing.append(_Growing(request, set(found.ids)))
        part = Part(first.schema, selection, first.start, first.snapshot)
        return Subscription(part, b"".join(records))

    def _all_mappings(self, stype_in: str, now_ns: int) -> bytes:
        """Of all instruments, unless the session has been sent those."""
        if self._all_mapped_as is not None:
            return b""
        self._all_mapped_as = stype_in
        return self._desk.everything(stype_in, ts_event=now_ns)

    def _mappings(self, found: Resolution, stype_in: str, now_ns: int) -> bytes:
        """Of the instruments found, as far as the session does not know them by the symbol asked for."""
        new = {
            number: symbol
            for number, symbol in found.ids.items()
            if found.asked[number] != symbol or not (self._all_mapped_as or number in self._mapped)
        }
        self._mapped.update(new)
        return mapping_records(new, found.asked, stype_in, ts_event=now_ns)

    def learn(self, now_ns: int) -> tuple[bytes, list[Part]]:
        """What is new since `version`: mappings to send, and instruments that belong to a request."""
        symbology = self._view.symbology
        changed = symbology.changes(self.version)
        self.version = symbology.version
        if self._all_mapped_as is None:
            changed = [number for number in changed if number in self._mapped]
        records = [self._desk.of(changed, self._all_mapped_as or "raw_symbol", ts_event=now_ns)]
        parts = []
        for request, known in self._growing:
            first = request.first
            found = symbology.resolve(first.stype_in, list(request.symbols))
            new = frozenset(found.ids) - known
            if new:
                known |= new
                records.append(self._mappings(found, first.stype_in, now_ns))
                parts.append(Part(first.schema, Selection(new)))
        return b"".join(records), parts


def _unresolved(symbols: list[str], stype_in: str, now_ns: int) -> list[bytes]:
    """An error for each, none of them fatal."""
    return [
        control.error(
            ErrorCode.SYMBOL_RESOLUTION_FAILED,
            f"Failed to resolve {stype_in} symbol {shown(symbol)}",
            ts_event=now_ns,
            is_last=n == len(symbols),
        )
        for n, symbol in enumerate(symbols, 1)
    ]


def _invalid(text: str) -> SessionError:
    return SessionError(text, code=ErrorCode.INVALID_SUBSCRIPTION)
