"""The hub: clients on one side, replicas on the other, and between them one stream for each class."""

import asyncio
import secrets
from collections import Counter

from depthcast.api.hub.classes import StreamClass
from depthcast.api.hub.clients import Client, CloseCode, KeyEnded, good
from depthcast.api.hub.connections import Connections
from depthcast.api.hub.encoded import Encoded, Form
from depthcast.api.hub.errors import RequestError
from depthcast.api.hub.heartbeats import SLOTS, Heartbeats
from depthcast.api.hub.messages import Subscribed, Unsubscribed, encode
from depthcast.api.hub.options import HubOptions
from depthcast.api.hub.ports import Clock, HubListing, HubMarket, Loop, Replays, Sink, Timer
from depthcast.api.hub.requests import Subscribe, depth_and_rate, error_message, key_ended
from depthcast.api.hub.schedule import Schedule
from depthcast.api.hub.status_stream import status_message, told
from depthcast.api.hub.stream import Numbering, Stream
from depthcast.api.hub.streams import Streams, label
from depthcast.dbn.ages import Ages

__all__ = ["Hub"]


class Hub:
    """The fan-out of an API process.

    All of it runs on one event loop and never waits. `close` ends every client.

    Args:
        market: the replicas, and which instruments they have.
        clock: the time, ns since the epoch.
        loop: for time and timers.
        options: limits.
        epoch: the name of this hub's life; sequence numbers mean something within it.
    """

    def __init__(
        self,
        market: HubMarket,
        clock: Clock,
        loop: Loop,
        options: HubOptions | None = None,
        *,
        epoch: str | None = None,
    ) -> None:
        self.options = options or HubOptions()
        self.loop = loop
        self.numbering = Numbering(epoch or secrets.token_hex(8), clock, self.options)
        self.counters = self.numbering.counters
        self.connections = Connections(self.options)
        self.closing = False
        self.replays: Replays | None = None
        self._clients: dict[Client, None] = {}
        self._paused: dict[Client, None] = {}
        self._heartbeats = Heartbeats(self.numbering)
        self._schedule = Schedule(self.loop, self.counters, self.options.turn_sends, self._flushed)
        self.streams = Streams(market, self.numbering, self.loop, self._schedule)
        self._beats = 0
        self._timer: Timer | None = None

    @property
    def hops(self) -> dict[str, Ages]:
        """How long messages took here, by hop."""
        return {"encoded_to_written": self.numbering.encoded_to_written}

    def readers(self) -> Counter[Form]:
        """The clients by what their connections take."""
        return Counter(client.form for client in self._clients)

    # -- life

    async def close(self, spread_s: float) -> None:
        """End every client, some at a time over ``spread_s`` seconds, so that they do not all return at once.

        The close code is 1012; its reason says when to come back. No client is accepted any more.
        """
        self.closing = True
        left = list(self._clients)
        steps = max(1, min(len(left), int(spread_s * 20)))
        for step in range(steps):
            for client in left[step::steps]:
                self.end(client, CloseCode.GOING, f"restarting; reconnect in {1 + step % 5} s")
            if step + 1 < steps:
                await asyncio.sleep(spread_s / steps)
        self.stop()

    def stop(self) -> None:
        """Follow nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._schedule.close()
        self.streams.close()

    # -- clients

    def connect(
        self, sink: Sink, form: Form, *, address: str, key: str, key_ended: KeyEnded = good
    ) -> Client:
        """Take a connection that has been accepted.

        Raises:
            RequestError: there are too many; nothing is kept of it.
        """
        if self.closing:
            raise RequestError("restarting", "the service restarts: reconnect in a second", fatal=True)
        self.connections.enter(address, key)
        client = Client(self, sink, form, address, key, key_ended)
        self._clients[client] = None
        self._heartbeats.join(client)
        if self._timer is None:
            self._arm()
        self.counters.clients = len(self._clients)
        return client

    def leave(self, client: Client) -> None:
        """The client's connection is closing: forget it. Once is enough, twice is no error."""
        if client.closed:
            return
        client.closed = True
        if self.replays is not None:
            self.replays.leave(client)
        for stream in list(client.streams):
            self._leave_stream(client, stream)
        self._paused.pop(client, None)
        self._heartbeats.leave(client)
        del self._clients[client]
        self.counters.clients = len(self._clients)

    def lost(self, client: Client) -> None:
        """The client's connection is no more: another may have its place."""
        self.leave(client)
        if client.counted:
            client.counted = False
            self.connections.leave(client.address, client.key)

    def end(self, client: Client, code: int, reason: str) -> None:
        """Close a client's connection."""
        if not client.closed:
            self.leave(client)
            client.sink.end(code, reason)

    def refuse(self, client: Client, asked: int | str | None, error: RequestError) -> None:
        """Tell a client why its request was not carried out; a fatal error closes it."""
        self.counters.errors += 1
        client.send(error_message(asked, error))
        if error.fatal:
            self.counters.limit_closed += 1
            code = CloseCode.KEY_ENDED if error.code == "key_ended" else CloseCode.LIMIT
            self.end(client, code, error.code)

    def close_slow(self, client: Client) -> None:
        """The client has fallen behind further than it may."""
        self.counters.slow_closed += 1
        self.end(client, CloseCode.TOO_SLOW, "too slow: messages were lost")

    def paused(self, client: Client) -> None:
        client.paused_at = self.loop.time()
        self._paused[client] = None
        self.counters.pauses += 1

    def drained(self, client: Client) -> None:
        client.paused_at = None
        self._paused.pop(client, None)

    # -- subscriptions

    def subscribe(self, client: Client, request: Subscribe) -> None:
        """Subscribe a client; if one of the instruments cannot be, then none is.

        Raises:
            RequestError: why not.
        """
        channel = request.channel
        if channel == "replay":
            raise RequestError("bad_request", "a replay is no class of the hub")
        depth, rate = depth_and_rate(channel, request.depth, request.rate)
        wanted: dict[StreamClass, HubListing] = {}
        for text in request.instruments:
            listing = self.streams.find(text)
            publisher = self.streams.publisher(listing, request)
            dataset = listing.replica.dataset if self.streams.several_datasets else ""
            of = StreamClass(channel, listing.instrument_id, publisher, depth, rate, dataset)
            if of not in wanted and not any(stream.of == of for stream in client.streams):
                wanted[of] = listing
        limit = self.options.subscriptions_per_connection
        if len(client.streams) + len(wanted) > limit:
            raise RequestError(
                "too_many_subscriptions", f"at most {limit} subscriptions on a connection", fatal=True
            )
        for stream, listing in self._streams(wanted):
            self._join(client, stream, listing, request)
        self._heartbeats.regroup(client)
        client.catch_up()

    def _streams(self, wanted: dict[StreamClass, HubListing]) -> list[tuple[Stream, HubListing]]:
        """The streams of these classes; if one cannot be had, then none is kept."""
        streams: list[tuple[Stream, HubListing]] = []
        try:
            for of, listing in wanted.items():
                streams.append((self.streams.get(of, listing), listing))
        except RequestError:
            for stream, _ in streams:
                if not stream.users:
                    self.streams.left(stream)
            raise
        return streams

    def unsubscribe(self, client: Client, name: str, asked: int | str | None) -> None:
        """End one subscription.

        Raises:
            RequestError: there is none of that name.
        """
        if self.replays is not None and self.replays.has(client, name):
            self.replays.unsubscribe(client, name)
            client.send(Encoded("unsubscribed", encode(Unsubscribed(stream=name, id=asked))))
            return
        stream = self._subscribed(client, name)
        self._leave_stream(client, stream)
        self._heartbeats.regroup(client)
        client.send(Encoded("unsubscribed", encode(Unsubscribed(stream=name, id=asked))))

    def resync(self, client: Client, name: str) -> None:
        """Give a client a class's snapshot anew.

        Raises:
            RequestError: it has no such subscription.
        """
        if self.replays is not None and self.replays.has(client, name):
            self.replays.resync(client, name)
            return
        stream = self._subscribed(client, name)
        if not stream.has_snapshot:
            raise RequestError("bad_request", f"{name} has no snapshot: nothing is void of it")
        if client.paused_at is None:
            client.send(stream.resync("requested"))
            if client.closed:
                return
            stream.drop(client)
            client.streams[stream] = None
            client.catch_up()

    def tell_status(self, client: Client, instruments: list[str]) -> None:
        """Send the state of instruments once.

        Raises:
            RequestError: one is not known.
        """
        for listing in [self.streams.find(text) for text in instruments]:
            view = self.streams.follower(listing.replica).view
            now = told(view, listing.instrument_id, None)
            status = status_message(view, now, label(listing), listing.instrument_id, self.numbering)
            client.send(Encoded("status", encode(status)))

    def _join(self, client: Client, stream: Stream, listing: HubListing, request: Subscribe) -> None:
        since = request.since
        same = since is not None and since.epoch == self.numbering.epoch
        resumed = same and since is not None and stream.covers(since.seq)
        held = since.seq if resumed and since is not None else stream.begin()
        of = stream.of
        message = Subscribed(
            stream=stream.name,
            id=request.id,
            channel=of.channel,
            instrument=label(listing),
            instrument_id=of.instrument_id,
            dataset=listing.replica.dataset,
            publisher=of.publisher_id,
            depth=of.depth,
            rate=of.rate,
            epoch=self.numbering.epoch,
            seq=stream.seq if held is None else held,
            feed=self.streams.follower(listing.replica).view.feed,
            resumed=resumed,
        )
        client.send(Encoded("subscribed", encode(message)))
        if client.closed:  # the write found that nobody is there
            return
        client.join(stream, held)
        self.counters.subscriptions += 1
        if stream.read_since is None:
            stream.read_since = self.loop.time()
        if resumed and held is not None and client.paused_at is None:
            replayed = stream.replay(client, held)
            if replayed and not client.closed:
                client.streams[stream] = stream.seq

    def _subscribed(self, client: Client, name: str) -> Stream:
        for stream in client.streams:
            if stream.name == name:
                return stream
        raise RequestError(
            "not_subscribed", f"there is no subscription {name!r}: names are as in `subscribed`"
        )

    def _leave_stream(self, client: Client, stream: Stream) -> None:
        client.leave(stream)
        self.counters.subscriptions -= 1
        if not stream.users:
            self.streams.left(stream)

    # -- time

    def _arm(self) -> None:
        when = self.loop.time() + self.options.heartbeat_s / SLOTS
        self._timer = self.loop.call_at(when, self._beat)

    def _beat(self) -> None:
        """Twenty times an interval: a part of the heartbeats, and of what is only looked at now and then."""
        self._timer = None
        if self._clients or self.counters.classes:
            self._arm()
        self._heartbeats.beat()
        now = self.loop.time()
        self._beats = (self._beats + 1) % SLOTS
        self.streams.look_again(now, self._beats, SLOTS)
        if self._beats:
            return
        self._end_keys()
        for client in list(self._paused):
            if client.paused_at is not None and now - client.paused_at > self.options.slow_close_s:
                self.close_slow(client)

    def _end_keys(self) -> None:
        """Close the clients whose key has ended; each key is looked at once."""
        found: dict[str, str | None] = {}
        for client in list(self._clients):
            if client.key:
                if client.key not in found:
                    found[client.key] = client.key_ended()
                if found[client.key] is not None:
                    self.refuse(client, None, key_ended(found[client.key]))

    def _flushed(self, stream: Stream) -> None:
        """Stop a class that cannot go on, and say so to its clients."""
        why = stream.failed
        if not why:
            return
        for client in list(self._clients):
            if stream in client.streams:
                self._leave_stream(client, stream)
                self._heartbeats.regroup(client)
                client.send(error_message(None, RequestError("class_ended", f"{stream.name}: {why}")))
        self.streams.remove(stream)
