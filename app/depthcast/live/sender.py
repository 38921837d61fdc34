"""What a started session is sent and when: records in turns, control records between them, heartbeats.

A control record goes before the next batch, never inside one: what was handed to the connection is always
whole records.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from depthcast.errors import SessionError
from depthcast.live import control
from depthcast.live.connection import Buffer, Connection
from depthcast.live.control import ErrorCode, SystemCode
from depthcast.live.flow import Flow, Overrun
from depthcast.live.joins import Joins, Talk
from depthcast.live.outlet import Outlet, PlainOutlet, ZstdOutlet
from depthcast.live.requests import Authentication
from depthcast.live.stream import stamped
from depthcast.live.subscriptions import Subscriptions

if TYPE_CHECKING:
    from depthcast.live.gateway import Gateway

__all__ = ["SKIPPABLE", "Sender"]

SKIPPABLE: Final = frozenset({"mbp-1", "mbp-10", "bbo-1s", "bbo-1m", "cmbp-1", "cbbo-1s", "cbbo-1m"})
"""The schemas of which a slow reader may miss records and still know the market afterwards."""

SLOW_READER: Final = "Slow reader: far behind; the session ends when what comes next is not held any more."
TOO_SLOW: Final = "Too slow: the records to send next are not held any more."
SKIPPED: Final = "Records were skipped: the session read too slowly."


class Sender:
    """The binary stream of one session.

    Args:
        gateway: whose session it is.
        number: the session's.
        connection: where to.
        asked: how the client wants it.
        subscriptions: what it has subscribed to so far.
        fail: ends the session, for the reason given.

    Attributes:
        flow: what comes next.
        settled: whether all it subscribed to before its start is on the way: what the feed publishes from
            here on reaches it.
    """

    def __init__(
        self,
        gateway: "Gateway",
        number: int,
        connection: Connection,
        asked: Authentication,
        subscriptions: Subscriptions,
        fail: Callable[[Exception], None],
    ) -> None:
        self.number = number
        self.settled = False
        self.fail = fail
        self._gateway = gateway
        self._view = gateway.view
        self._symbology = gateway.view.symbology
        self._connection = connection
        self._subscriptions = subscriptions
        self._turn_bytes = gateway.limits.turn_bytes
        self._stamp = gateway.clock.time_ns if asked.ts_out else None
        self._skips = asked.slow_reader_behavior != "warn"
        self._heartbeat_s = float(asked.heartbeat_interval_s)
        self._queue: list[Buffer] = []
        self._warned = False
        self._quiet_since = gateway.clock.monotonic()
        self._seen_bytes = 0
        self._over = False
        self._outlet: Outlet = PlainOutlet(connection)
        if asked.compression == "zstd":
            self._outlet = ZstdOutlet(connection, gateway.loop, gateway.compressors, self.on_ready, fail)
        self.flow = Flow(gateway.view, gateway.forms, ts_out=asked.ts_out)
        talk = Talk(self._stamp, self._system, self._kick, fail)
        self._joins = Joins(gateway.view, self.flow, gateway.snapshots, gateway.replays, talk)

    def start(self, metadata: bytes) -> None:
        """Begin with the metadata, and join what was subscribed to."""
        self._queue.append(metadata)
        parts = []
        for subscription in self._subscriptions.complete(self._gateway.clock.time_ns()):
            self.say(subscription.answer)
            if not subscription.part.selection.empty:
                parts.append(subscription.part)
        self._joins.start(parts)
        self._kick()

    def subscribe(self) -> None:
        """Join what has been subscribed to since."""
        for subscription in self._subscriptions.complete(self._gateway.clock.time_ns()):
            self.say(subscription.answer)
            if not subscription.part.selection.empty:
                self._joins.add(subscription.part)
        self._kick()

    def _kick(self) -> None:
        """There is something to send."""
        if self._joins.settling == 0:
            self.settled = True
        self._gateway.again()

    # -- turns

    def pump(self) -> None:
        """Send the next turn. Cheap where there is nothing to send, or no room for it."""
        outlet = self._outlet
        if not outlet.ready or self._over:
            return
        if self._subscriptions.version != self._symbology.version:
            self._learn()
        flow = self.flow
        try:
            buffers = flow.turn(self._turn_bytes)
        except Overrun:
            self._overrun()
            return
        if self._queue:
            buffers = self._queue + buffers
            self._queue = []
        if not buffers:
            return
        if not outlet.send(buffers):
            self._gateway.block(self)
            self._watch()
        elif not flow.idle:
            self._gateway.again()
            self._watch()
        elif self._warned:
            self._warned = False

    def on_writable(self) -> None:
        """The connection has taken all it was given."""
        self._outlet.on_writable()
        if self._outlet.ready:
            self.on_ready()

    def on_ready(self) -> None:
        """There is room for the next turn."""
        if self._over:
            self._part()
        else:
            self._gateway.unblock(self)
            self.pump()

    def _watch(self) -> None:
        """Warn a session that is far behind, once until it has caught up."""
        if not self._warned and self._gateway.is_far_behind(self.flow):
            self._warn()

    def _warn(self) -> None:
        self._warned = True
        self._gateway.counters.slow_warnings += 1
        self._queue.append(self._system(SystemCode.SLOW_READER_WARNING, SLOW_READER))

    def _learn(self) -> None:
        """Say what new instruments' ids stand for; they may belong to what was subscribed to."""
        records, parts = self._subscriptions.learn(self._gateway.clock.time_ns())
        self.say(records)
        for part in parts:
            self._joins.add(part)

    # -- slow readers

    def _overrun(self) -> None:
        """The next batch has left the ring: go on from now where that is allowed, else end."""
        if not self._may_skip():
            self._gateway.counters.cut_off += 1
            if not self._warned:  # it fell behind all at once
                self._warn()
            self.fail(SessionError(TOO_SLOW, code=ErrorCode.INTERNAL_ERROR))
            return
        self._gateway.counters.skips += 1
        self.flow.jump()
        self._warned = False
        self.say_error(ErrorCode.SKIPPED_RECORDS_AFTER_SLOW_READING, SKIPPED)
        self._gateway.again()

    def _may_skip(self) -> bool:
        """Whether records may be left out: all that is subscribed to allows it, and so does the client."""
        return self._skips and self.flow.schemas <= SKIPPABLE

    def check_lag(self) -> None:
        """Warn a blocked session; end it once its next batch has left the ring. Not if it may skip."""
        flow = self.flow
        if flow.moves and not self._may_skip():
            if flow.cursor < self._view.tail:
                self._overrun()
            else:
                self._watch()

    def stalled_s(self, now: float) -> float:
        """How long the peer has taken nothing of what there is for it."""
        return 0.0 if self._outlet.ready else now - self._quiet_since

    # -- control records

    def say(self, records: bytes) -> None:
        """Send control records before the next batch."""
        if records:
            self._queue.append(records if self._stamp is None else stamped(records, self._stamp()))

    def say_error(self, code: int, text: str) -> None:
        """Send an error record before the next batch."""
        self.say(control.error(code, text, ts_event=self._gateway.clock.time_ns()))

    def _system(self, code: int, text: str) -> bytes:
        record = control.system(code, text, ts_event=self._gateway.clock.time_ns())
        return record if self._stamp is None else stamped(record, self._stamp())

    def beat(self, now: float, early_s: float) -> None:
        """Say that the gateway lives, if nothing has gone out for the asked interval."""
        if self._connection.sent_bytes != self._seen_bytes:
            self._seen_bytes = self._connection.sent_bytes
            self._quiet_since = now
        elif now - self._quiet_since >= self._heartbeat_s - early_s and self._outlet.ready:
            self._quiet_since = now
            self.say(control.heartbeat(ts_event=self._gateway.clock.time_ns()))
            self.pump()

    # -- the end

    @property
    def done(self) -> bool:
        """Whether all there is was given out and taken, and nothing is on the way to join."""
        if not self._outlet.ready or self._joins.pending or self._queue:
            return False
        return self.flow.idle and self.flow.behind <= 0

    def say_goodbye(self, reason: str) -> None:
        """Say that the feed has ended."""
        self._queue.append(self._system(SystemCode.UNSET, reason))

    def end(self) -> None:
        """Send no more records: what was said last, then the end of the stream."""
        self.close()
        if self._outlet.ready:
            self._part()

    def _part(self) -> None:
        words, self._queue = self._queue, []
        self._outlet.finish(words)

    def close(self) -> None:
        """Give back what it holds."""
        if not self._over:
            self._over = True
            self._gateway.block(self)
            self._joins.close()
            self.flow.close()
