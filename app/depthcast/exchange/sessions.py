"""The sessions of an exchange: the phases of its books, and all that its venues do of themselves."""

from collections import deque
from enum import IntEnum
from heapq import heappop, heappush
from typing import Final

from depthcast.exchange.draws import Stream, threshold
from depthcast.exchange.flow import Flow
from depthcast.exchange.listing import Listing
from depthcast.exchange.matching import ASK, BID
from depthcast.exchange.params import AUCTION, OPEN_END_NS, ExchangeParams, Phase
from depthcast.exchange.tape import Tape

__all__ = ["DELAY_NS", "SENT_BEFORE_NS", "Due", "Sessions", "Task"]

POPULATE_STREAM: Final = 3
DELAY_NS: Final = 20_000
"""How much later than the matching engine a reader has a message, at least."""
SENT_BEFORE_NS: Final = 14_000
"""How much of it the message was under way, at least."""
NEXT_EXECUTION_NS: Final = 400
NEVER_NS: Final = 2**63
ACTIVE: Final = AUCTION | {Phase.TRADING}
"""Phases that take new orders."""


class Task(IntEnum):
    """What is to be written before anything else happens, each an event of its own."""

    RESUME = 0
    """The next execution of an incoming order."""
    EXPIRE = 1
    """The next order that ends with the session."""
    OPEN = 2
    """A session begins: ``R``, or the snapshot of what was carried over."""
    ENTER = 3
    """The next phase: its Status record."""
    UNCROSS = 4
    QUOTE = 5
    """A venue that publishes its best prices begins or ends doing so."""
    SNAPSHOT = 6


class Due(IntEnum):
    """What the calendar holds."""

    PHASE = 0
    SNAPSHOT = 1


class Sessions:
    """What the venues do of themselves.

    ``todo`` is what must be written before anything else happens; ``calendar`` a heap of what happens when;
    ``active`` the number of books that take new orders.
    """

    def __init__(
        self, params: ExchangeParams, listings: list[Listing], tape: Tape, flow: Flow, chance: Stream
    ) -> None:
        self._params = params
        self._listings = listings
        self._tape = tape
        self._flow = flow
        self._chance = chance
        self.todo: deque[tuple[Task, int]] = deque()
        self.calendar: list[tuple[int, Due, int]] = [(NEVER_NS, Due.PHASE, 0)]
        self.active = 0
        for listing in listings:
            starts_ns = params.start_ns + listing.index * params.stagger_ns
            heappush(self.calendar, (starts_ns, Due.PHASE, listing.index))
            if params.snapshots.interval_ns:
                first_ns = starts_ns + params.snapshots.interval_ns
                heappush(self.calendar, (first_ns, Due.SNAPSHOT, listing.index))

    def count_active(self) -> None:
        """Set ``active`` anew, after listings were restored."""
        self.active = sum(listing.phase in ACTIVE for listing in self._listings)

    def turn(self) -> None:
        """Go on to the next thing in the calendar: it is then to do."""
        due_ns, kind, index = heappop(self.calendar)
        self._tape.stamp(due_ns, DELAY_NS, SENT_BEFORE_NS)
        if kind == Due.PHASE:
            self._plan_phase(self._listings[index])
            return
        heappush(self.calendar, (due_ns + self._params.snapshots.interval_ns, Due.SNAPSHOT, index))
        self.todo.append((Task.SNAPSHOT, index))

    def _plan_phase(self, listing: Listing) -> None:
        """Plan the events of going to the next phase of the session, or to the first one of a new session."""
        session, index = self._params.session, listing.index
        listing.span += 1
        if listing.span == len(session):
            listing.span = 0
            carried = threshold(self._params.carry_share)
            live = listing.engine.live
            listing.expiring = [order.order_id for order in live if self._chance.bits() & 0xFFFF >= carried]
            self.todo.extend([(Task.EXPIRE, index)] * len(listing.expiring))
            self.todo.append((Task.OPEN, index))
        elif not listing.opened:
            self.todo.append((Task.OPEN, index))
            if self._params.initial_orders:
                listing.span = [span.phase for span in session].index(Phase.TRADING)
        self.todo.append((Task.ENTER, index))
        duration_ns = session[listing.span].duration_ns
        if duration_ns != OPEN_END_NS:
            heappush(self.calendar, (self._tape.ts_event + duration_ns, Due.PHASE, index))

    def perform(self) -> None:
        """Do the next thing that is to do; it may write an event, or nothing."""
        task, index = self.todo.popleft()
        listing = self._listings[index]
        match task:
            case Task.RESUME:
                self._tape.ts_recv += NEXT_EXECUTION_NS
                listing.resume()
                if listing.taker is not None:
                    self.todo.append((Task.RESUME, index))
            case Task.EXPIRE:
                listing.expire()
            case Task.OPEN:
                self._open(listing)
            case Task.ENTER:
                self._enter(listing)
            case Task.UNCROSS:
                listing.uncross()
            case Task.QUOTE:
                listing.publish_quotes()
            case Task.SNAPSHOT:
                self._snapshot(listing)

    # -- Inside

    def _open(self, listing: Listing) -> None:
        if not listing.opened:
            listing.opened = True
            stream = Stream(self._params.seed, POPULATE_STREAM + listing.index)
            self._flow.populate(listing, self._params.initial_orders, stream)
        listing.open()

    def _enter(self, listing: Listing) -> None:
        """Begin the phase that was planned."""
        self.active -= listing.phase in ACTIVE
        listing.phase = self._params.session[listing.span].phase
        self.active += listing.phase in ACTIVE
        if self._params.status_records:
            listing.announce()
        if listing.phase in (Phase.CROSS, Phase.TRADING):
            self.todo.append((Task.UNCROSS, listing.index))
        self.todo.append((Task.QUOTE, listing.index))

    def _snapshot(self, listing: Listing) -> None:
        if not listing.opened:
            return
        chance, params = self._chance, self._params.snapshots
        clear = chance.bits() & 0xFFFF >= threshold(params.no_clear_share)
        order = list(range(sum(len(listing.engine.ranks[side]) for side in (BID, ASK))))
        if chance.bits() & 0xFFFF < threshold(params.shuffled_share):
            for at in range(len(order) - 1, 0, -1):
                other = chance.below(at + 1)
                order[at], order[other] = order[other], order[at]
        listing.snapshot(order, clear=clear)
