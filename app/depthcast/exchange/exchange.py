"""The simulated exchange: many books, their phases and clock, one stream of records, the truth beside it."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from depthcast.errors import AmbiguousBookError, UnknownBookError
from depthcast.exchange import checkpoint
from depthcast.exchange.draws import Stream
from depthcast.exchange.flow import Flow
from depthcast.exchange.interleave import interleave
from depthcast.exchange.listing import Listing, Venue
from depthcast.exchange.messages import BurstState, Messages
from depthcast.exchange.params import ExchangeParams
from depthcast.exchange.sessions import DELAY_NS, SENT_BEFORE_NS, Due, Sessions, Task
from depthcast.exchange.tape import Tape
from depthcast.exchange.truth import TrueBook

__all__ = ["Exchange"]

BATCH_BYTES: Final = 1 << 16
CHANCE_STREAM: Final = 2
DELAY_BITS: Final = 14
"""A reader has a participant's message ``DELAY_NS`` after the matching engine, and up to 2**14 ns more."""
IDLE_MESSAGES: Final = 1024
"""Where no book takes new orders, after so many messages time passes at once."""


class Exchange:
    """A simulated exchange. Equal parameters give equal bytes, however they are asked for.

    It reads no clock and does no I/O: time is simulated, and runs as fast as it is asked to. It never ends.

    Example::

        instrument = InstrumentParams(1, "SIM", tick=10_000_000, reference_price=64_000_000_000)
        exchange = Exchange(ExchangeParams(instruments=(instrument,)))
        for batch in exchange.run(records=10_000):
            engine.apply(batch)
        truth = exchange.truth(1)
    """

    def __init__(self, params: ExchangeParams) -> None:
        self.params = params
        self._tape = Tape()
        self._venues = [Venue(venue) for venue in params.venues]
        pairs = [(venue, instrument) for venue in self._venues for instrument in params.instruments]
        self._listings = [Listing(at, *pair, self._tape) for at, pair in enumerate(pairs)]
        self._flow = Flow(params.flow)
        self._messages = Messages(params)
        self._chance = Stream(params.seed, CHANCE_STREAM)
        self._flow_ns = params.start_ns
        self._idle = 0
        self._sessions = Sessions(params, self._listings, self._tape, self._flow, self._chance)

    # -- Records out

    @property
    def records(self) -> int:
        """How many records were given since the exchange was made."""
        return self._tape.records

    @property
    def now_ns(self) -> int:
        """The simulated time of the last record, ns since the epoch."""
        return self._tape.ts_event

    def step(self) -> bytes:
        """The records of the next event; with ``interleave``, of a group of events, each book's at most one.

        After it, every book is at the end of an event, and `truth` tells what it must be. (An ``R`` that
        begins a session at a CME-like venue leaves its event open; the book is as it should be all the same.)
        """
        self._advance()
        return self._tape.take()

    def run(self, records: int | None = None, batch_bytes: int = BATCH_BYTES) -> Iterator[bytes]:
        """Batches of whole events.

        Args:
            records: stop at the first event end with at least so many records; None for never.
            batch_bytes: a batch ends at the first event end with at least so many bytes.
        """
        tape = self._tape
        goal = None if records is None else tape.records + records
        while goal is None or tape.records < goal:
            while tape.end < batch_bytes and (goal is None or tape.records < goal):
                self._advance()
            yield tape.take()

    # -- Truth

    def books(self) -> list[tuple[int, int]]:
        """(publisher_id, instrument_id) of every book that has begun, by venue, then by instrument."""
        return [
            (listing.venue.params.publisher_id, listing.instrument.instrument_id)
            for listing in self._listings
            if listing.opened
        ]

    def truth(self, instrument_id: int, publisher_id: int | None = None) -> TrueBook:
        """The book as it is in the matching engine: what the records so far must rebuild.

        Raises:
            UnknownBookError: the exchange does not list it.
            AmbiguousBookError: several venues do, and ``publisher_id`` is not given.
        """
        listings = [
            listing
            for listing in self._listings
            if listing.instrument.instrument_id == instrument_id
            and publisher_id in (None, listing.venue.params.publisher_id)
        ]
        if not listings:
            raise UnknownBookError(f"no book of instrument {instrument_id} at publisher {publisher_id}")
        if len(listings) > 1:
            raise AmbiguousBookError(
                f"instrument {instrument_id} is listed at several venues: pass publisher_id"
            )
        return listings[0].truth()

    # -- Stopping and going on

    def checkpoint(self) -> bytes:
        """All that `restore` needs to go on with the same bytes, taken between two batches or steps."""
        tape, messages, sessions = self._tape, self._messages, self._sessions
        state = checkpoint.ExchangeState(
            format=checkpoint.FORMAT,
            params=self.params,
            clock=(tape.ts_event, tape.ts_recv, tape.ts_in_delta),
            records=tape.records,
            flow_ns=self._flow_ns,
            idle=self._idle,
            chance=self._chance.position,
            messages=(messages.block, messages.at, messages.burst),
            todo=[(int(task), index) for task, index in sessions.todo],
            calendar=[(due_ns, int(kind), index) for due_ns, kind, index in sessions.calendar],
            venues=[(venue.ids.last, venue.sequence.last) for venue in self._venues],
            listings=[checkpoint.listing_state(listing) for listing in self._listings],
        )
        return checkpoint.encode(state)

    @classmethod
    def restore(cls, data: bytes) -> "Exchange":
        """The exchange that `checkpoint` was asked of, as it was then.

        Raises:
            UsageError: not a checkpoint, or one of another version.
        """
        state = checkpoint.decode(data)
        exchange = cls(state.params)
        tape = exchange._tape
        tape.ts_event, tape.ts_recv, tape.ts_in_delta = state.clock
        tape.records = state.records
        exchange._flow_ns, exchange._idle = state.flow_ns, state.idle
        exchange._chance.position = state.chance
        block, at, burst = state.messages
        exchange._messages = Messages(state.params, block, at, BurstState(*burst))
        sessions = exchange._sessions
        sessions.todo = deque((Task(task), index) for task, index in state.todo)
        sessions.calendar = [(due_ns, Due(kind), index) for due_ns, kind, index in state.calendar]
        for venue, (order_id, sequence) in zip(exchange._venues, state.venues, strict=True):
            venue.ids.last, venue.sequence.last = order_id, sequence
        for listing, listed in zip(exchange._listings, state.listings, strict=True):
            checkpoint.restore_listing(listing, listed)
        sessions.count_active()
        return exchange

    def __reduce__(self) -> tuple[Callable[[bytes], "Exchange"], tuple[bytes]]:
        return Exchange.restore, (self.checkpoint(),)

    # -- The loop

    def _advance(self) -> None:
        """Write the next event, or group of events."""
        tape = self._tape
        if self.params.interleave > 1:
            self._advance_group()
            return
        start = tape.end
        while tape.end == start:
            self._act()

    def _advance_group(self) -> None:
        tape = self._tape
        start = begin = tape.end
        events: list[bytes] = []
        members: set[int] = set()
        while len(members) < self.params.interleave:
            index = self._next_index()
            if index in members:
                break
            self._act()
            if tape.end > begin:
                events.append(bytes(tape.buffer[begin : tape.end]))
                members.add(index)
                begin = tape.end
        tape.buffer[start:begin] = interleave(events, self._chance)

    def _act(self) -> None:
        """Do the next thing that happens; it may write an event, or nothing."""
        sessions = self._sessions
        if sessions.todo:
            sessions.perform()
            return
        message = self._messages.peek()
        time_ns = self._flow_ns + message.gap_ns
        if sessions.calendar[0][0] <= time_ns:
            sessions.turn()
            return
        self._messages.skip()
        self._flow_ns = time_ns
        self._idle = 0 if sessions.active else self._idle + 1
        if self._idle > IDLE_MESSAGES:
            self._flow_ns = max(time_ns, sessions.calendar[0][0])
        listing = self._listings[message.book]
        jitter = message.delay >> (16 - DELAY_BITS)
        self._tape.stamp(time_ns, DELAY_NS + jitter, SENT_BEFORE_NS + (jitter >> 2))
        self._flow.act(listing, message)
        if listing.taker is not None:
            sessions.todo.append((Task.RESUME, listing.index))

    def _next_index(self) -> int:
        """The listing that `_act` will turn to next."""
        sessions = self._sessions
        if sessions.todo:
            return sessions.todo[0][1]
        message = self._messages.peek()
        due_ns, _, index = sessions.calendar[0]
        return index if due_ns <= self._flow_ns + message.gap_ns else message.book
