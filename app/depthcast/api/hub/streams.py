"""Which stream classes are at work: made when first asked for, kept a while after their last reader."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from math import inf
from typing import Final

from depthcast.api.hub.classes import StreamClass
from depthcast.api.hub.errors import RequestError
from depthcast.api.hub.face_stream import BboStream, BookStream
from depthcast.api.hub.follower import Follower
from depthcast.api.hub.order_stream import OrderStream
from depthcast.api.hub.ports import HubListing, HubMarket, HubReplica, Loop
from depthcast.api.hub.requests import Subscribe
from depthcast.api.hub.schedule import Schedule
from depthcast.api.hub.status_stream import StatusStream
from depthcast.api.hub.stream import Numbering, Stream
from depthcast.api.hub.trade_stream import TradeStream
from depthcast.api.hub.view import ReplicaView
from depthcast.errors import AmbiguousInstrumentError, DepthcastError

__all__ = ["Streams", "label"]

_OF_BOOKS: Final = frozenset({"book", "bbo", "orders"})
"""Channels whose class says which publisher's book it shows: it must be known which there are."""

_GOLDEN: Final = 0.6180339887498949
"""Multiples of it, modulo 1, lie evenly however many there are: the phases of the classes' ticks."""


class Streams:
    """The streams of a hub, by class; each belongs to the follower of its replica."""

    __slots__ = ("_followers", "_idle", "_loop", "_made", "_market", "_numbering", "_schedule")

    def __init__(self, market: HubMarket, numbering: Numbering, loop: Loop, schedule: Schedule) -> None:
        self._market = market
        self._numbering = numbering
        self._loop = loop
        self._schedule = schedule
        self._followers: dict[int, Follower] = {}
        self._idle: OrderedDict[Stream, Follower] = OrderedDict()
        """Those without readers, the longest without one first."""
        self._made = 0

    def __iter__(self) -> Iterator[Stream]:
        return (stream for follower in self._followers.values() for stream in follower.streams)

    # -- replicas

    def close(self) -> None:
        """Listen to none any more."""
        for follower in self._followers.values():
            follower.view.replica.remove_listener(follower)
        self._followers.clear()
        self._idle.clear()

    @property
    def several_datasets(self) -> bool:
        """An instrument id alone may mean several instruments."""
        return len({replica.dataset for replica in self._market.replicas}) > 1

    def follower(self, replica: HubReplica) -> Follower:
        """Its listener."""
        follower = self._followers.get(id(replica))
        if follower is None:
            view = ReplicaView(replica, self._numbering.clock)
            schedule, clock = self._schedule, self._numbering.clock
            follower = Follower(view, clock, schedule.changed, schedule.soon, schedule.at_once)
            self._followers[id(replica)] = follower
            replica.add_listener(follower)
        return follower

    # -- what is asked for

    def find(self, text: str) -> HubListing:
        """The instrument of that name.

        Raises:
            RequestError: there is none, or several, or it may be one of a feed that has no books yet.
        """
        try:
            return self._market.find(text)
        except AmbiguousInstrumentError as error:
            raise RequestError("ambiguous_instrument", str(error), candidates=error.choices) from None
        except DepthcastError as error:
            if not all(replica.ready for replica in self._market.replicas):
                raise _starting() from None
            raise RequestError("unknown_instrument", str(error)) from None

    def publisher(self, listing: HubListing, request: Subscribe) -> int | None:
        """Whose book is meant; None is all together.

        Raises:
            RequestError: there is no such book, or none yet, or the channel needs one.
        """
        if not listing.replica.ready:
            raise _starting()
        known = listing.publishers()
        if not known and request.channel in _OF_BOOKS:
            raise RequestError("no_book_yet", f"no order of {label(listing)} was seen yet: it has no book")
        if request.publisher is not None:
            if request.publisher not in known:
                some = ", ".join(map(str, known)) or "none yet"
                raise RequestError(
                    "unknown_publisher",
                    f"{label(listing)} has no book of publisher {request.publisher}: {some}",
                    publishers=known,
                )
            return request.publisher
        if len(known) == 1:
            return known[0]
        if request.channel == "orders":
            raise RequestError(
                "publisher_required",
                f"{label(listing)} has books of publishers {', '.join(map(str, known))}:"
                " the orders channel is of one",
                publishers=known,
            )
        return None

    def get(self, of: StreamClass, listing: HubListing) -> Stream:
        """The stream of a class, a new one if there is none. It is to get a reader, or be `left`.

        Raises:
            RequestError: there may be no further one.
        """
        follower = self.follower(listing.replica)
        stream = follower.stream(of)
        if stream is not None:
            self._idle.pop(stream, None)
            return stream
        counters, options = self._numbering.counters, self._numbering.options
        if counters.classes >= options.max_classes and not self._make_room():
            raise RequestError("too_many_classes", "no further class now: use one that others use too")
        if (
            of.channel == "orders"
            and self._order_books() >= options.order_books
            and not self._make_room(OrderStream)
        ):
            raise RequestError("too_many_order_books", "no further book's orders can be followed now")
        stream = self._new_stream(of, listing, follower)
        if stream.failed:
            raise RequestError("book_too_large", stream.failed)
        follower.add(stream)
        counters.classes += 1
        return stream

    def left(self, stream: Stream) -> None:
        """The stream has no readers any more. It goes on a while, if one may come back for what it missed."""
        follower = next((each for each in self._followers.values() if each.stream(stream.of) is stream), None)
        if follower is None:
            return
        now = self._loop.time()
        read_s = 0.0 if stream.read_since is None else now - stream.read_since
        if read_s < self._numbering.options.linger_read_s or not (stream.ring or stream.lossless):
            stream.idle_since = -inf  # the next to go: not now, in the midst of whatever is going on
            self._idle[stream] = follower
            self._idle.move_to_end(stream, last=False)
        else:
            stream.idle_since = now
            self._idle[stream] = follower

    def _make_room(self, kind: type[Stream] = Stream) -> bool:
        """End the stream that has had no reader for longest; False if all have some."""
        for stream, follower in self._idle.items():
            if isinstance(stream, kind):
                self._remove(follower, stream)
                return True
        return False

    def _new_stream(self, of: StreamClass, listing: HubListing, follower: Follower) -> Stream:
        self._made += 1
        phase = self._made * _GOLDEN % 1.0
        numbering, view = self._numbering, follower.view
        kind: Callable[..., Stream] = {
            "book": BookStream,
            "bbo": BboStream,
            "trades": TradeStream,
            "orders": OrderStream,
            "status": StatusStream,
        }[of.channel]
        return kind(of, numbering, phase, view, label(listing))

    def _order_books(self) -> int:
        return sum(follower.order_books for follower in self._followers.values())

    # -- time

    def look_again(self, now: float, part: int, parts: int) -> None:
        """Find what no event tells, and remove what nobody reads any more: one part of the streams."""
        linger_s = self._numbering.options.linger_s
        for follower in self._followers.values():
            for stream in follower.streams[part::parts]:
                follower.look_again(stream)
        while self._idle:
            stream, follower = next(iter(self._idle.items()))
            if stream.idle_since is not None and now - stream.idle_since <= linger_s:
                break
            self._remove(follower, stream)

    def remove(self, stream: Stream) -> None:
        """End a stream that nobody reads any more."""
        for follower in self._followers.values():
            if follower.stream(stream.of) is stream:
                self._remove(follower, stream)

    def _remove(self, follower: Follower, stream: Stream) -> None:
        follower.remove(stream)
        self._idle.pop(stream, None)
        stream.ring.clear()
        stream.scheduled = False
        self._numbering.counters.classes -= 1


def _starting() -> RequestError:
    return RequestError("starting", "not all books are there yet: ask again in a second")


def label(listing: HubListing) -> str:
    """What an instrument is called in messages."""
    return listing.symbol or str(listing.instrument_id)
