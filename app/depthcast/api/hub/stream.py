"""One stream class at work: its readers, its numbering, when it may send, and what it keeps to send again."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import ceil
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, ClassVar

from depthcast.api.hub.classes import StreamClass
from depthcast.api.hub.counters import HubCounters
from depthcast.api.hub.encoded import FORMS, Encoded, Form
from depthcast.api.hub.messages import Resync, encode
from depthcast.api.hub.options import HubOptions
from depthcast.api.hub.ports import Clock
from depthcast.api.hub.ring import Ring, RingBytes
from depthcast.dbn.ages import Ages

if TYPE_CHECKING:
    from depthcast.api.hub.clients import Client

__all__ = ["Numbering", "Stream"]

Write = Callable[[bytes], Any]


class Numbering:
    """What all streams of a hub share: one count of messages, one clock, one set of limits.

    The count is the hub's, so numbers of one class ascend but are not contiguous. Who has message N of a
    class, and was not behind, has all messages up to N of every class of the connection: one number resumes
    them all.
    """

    __slots__ = ("clock", "counters", "encoded_to_written", "epoch", "last", "options", "ring_bytes")

    def __init__(self, epoch: str, clock: Clock, options: HubOptions) -> None:
        self.epoch = epoch
        self.clock = clock
        self.options = options
        self.counters = HubCounters()
        self.encoded_to_written = Ages()
        """From a message's JSON until each reader's connection had it: as long as the last of them waited."""
        self.ring_bytes = RingBytes(options.rings_bytes)
        self.last = 0

    def take(self) -> int:
        self.last += 1
        return self.last


class Stream(ABC):
    """A stream class at work.

    Each message is encoded once, made into bytes once for each kind of connection, and these bytes are
    written to all readers in a row. Nothing is kept for a single reader: one whose connection is full is left
    out, and later brought up to date from the ring or with a snapshot.

    Args:
        of: the class.
        numbering: shared by all streams of the hub.
        phase: from 0 to 1, where in its period the class's ticks are.
    """

    __slots__ = (
        "_members",
        "_waiting_told",
        "_writes",
        "allowed",
        "changed_ns",
        "idle_since",
        "name",
        "numbering",
        "of",
        "period",
        "phase",
        "read_since",
        "ring",
        "scheduled",
        "seq",
        "told_ns",
        "users",
        "waiting",
    )

    lossless: ClassVar[bool] = False
    """Every message counts: who has missed one that is gone from the ring is closed, not conflated."""
    has_snapshot: ClassVar[bool] = True
    """A new reader begins with a snapshot; else with whatever comes next."""

    def __init__(self, of: StreamClass, numbering: Numbering, phase: float) -> None:
        options, together = numbering.options, numbering.ring_bytes
        self.of = of
        self.name = of.name
        self.numbering = numbering
        self.period = 1.0 / of.rate
        self.phase = phase * self.period
        self.seq = numbering.take()
        self.ring = (
            Ring(self.seq, options.lossless_ring_frames, options.lossless_ring_bytes, together)
            if self.lossless
            else Ring(self.seq, options.ring_frames, options.ring_bytes, together)
        )
        self.allowed = 0.0
        """The loop's time from which on the next message may go."""
        self.scheduled = False
        self.changed_ns = self.told_ns = numbering.clock()
        """When what it is about was last changed, and when the newest change was that readers were told."""
        self.users = 0
        """Clients that have subscribed, those left out for now included."""
        self.idle_since: float | None = None
        self.read_since: float | None = None
        """When it got its first reader."""
        self.waiting: dict[Client, None] = {}
        """Clients for whom there is no snapshot yet."""
        self._waiting_told: dict[Client, bool] = {}
        """Which of them know that the feed is lost."""
        self._members: list[dict[Client, Write]] = [{} for _ in range(FORMS)]
        self._writes: list[tuple[Write, ...] | None] = [() for _ in range(FORMS)]

    # -- what a kind of stream decides

    @abstractmethod
    def flush(self) -> bool:
        """Send what has changed since the last message; False if it is held back by an open event."""

    @abstractmethod
    def snapshot(self) -> list[Encoded] | None:
        """What brings a reader who has nothing to `seq`; None if there is nothing to show yet."""

    def begin(self) -> int | None:
        """What a new reader holds: nothing, where it needs a snapshot; else everything so far."""
        if self.has_snapshot:
            return None
        self.flush()
        return self.seq

    @abstractmethod
    def renew(self, reason: str) -> None:
        """The engine is another one: at the next `flush` everybody begins anew."""

    @abstractmethod
    def restate(self) -> bool:
        """Whether the state (stale, complete, suspect, phase) is no longer what the readers were told."""

    # -- readers

    def add(self, client: "Client") -> None:
        """Have the client get every message from now on."""
        self._members[client.form][client] = client.write
        self._writes[client.form] = None

    def drop(self, client: "Client") -> None:
        """Leave the client out. One who is not in is no error."""
        self._waiting_told.pop(client, None)
        if self._members[client.form].pop(client, None) is not None:
            self._writes[client.form] = None

    def covers(self, since: int) -> bool:
        """Whether who has everything up to number ``since`` can go on from there."""
        return self.ring.floor <= since <= self.numbering.last

    def replay(self, client: "Client", since: int) -> bool:
        """Send the messages after number ``since`` once more; False, and nothing, if some are gone."""
        missed = self.ring.after(since) if self.covers(since) else None
        if missed is None:
            return False
        for message in missed:
            client.send_aside(message)
            self.numbering.counters.caught_up += 1
        return True

    def bring(self, client: "Client", held: int | None) -> bool:
        """Take a client from number ``held`` to `seq`; None is from nothing.

        Returns:
            False if there is nothing to show yet: the client waits.

        Raises:
            TooFarBehindError: what the client lacks is gone, and must not be left out.
        """
        if held is not None and self.lossless:
            if self.replay(client, held):
                return True
            raise TooFarBehindError(self.name)
        if held == self.seq:
            return True
        shown = self.snapshot()
        if shown is None:
            self.waiting[client] = None
            self._tell_waiting(client)
            return False
        self._waiting_told.pop(client, None)
        if held is not None:
            self.numbering.counters.conflated += 1
            client.send_aside(self.resync("conflated"))
        for message in shown:
            client.send_aside(message)
        return True

    def tell_waiting(self) -> None:
        """Tell those who wait for a snapshot how the feed is, if that is another: silence says nothing."""
        for client in list(self.waiting):
            self._tell_waiting(client)

    def _tell_waiting(self, client: "Client") -> None:
        if self.stale != self._waiting_told.get(client, False):
            self._waiting_told[client] = self.stale
            client.send_aside(Encoded("status", self.status()))

    @property
    @abstractmethod
    def stale(self) -> bool:
        """The feed is lost or silent."""

    @abstractmethod
    def status(self) -> bytes:
        """How the feed and the book are, as a message of the class that has no number."""

    def admit_waiting(self) -> None:
        """Bring those who waited for a snapshot."""
        if self.waiting:
            waiting = list(self.waiting)
            self.waiting.clear()
            for client in waiting:
                client.catch_up()

    # -- sending

    def next_place(self) -> tuple[int, int]:
        """The number of the last message and of the one to be made."""
        return self.seq, self.numbering.take()

    def message(self, event: str, payload: bytes, seq: int) -> Encoded:
        """A message of the class, from which a reader of events can resume."""
        return Encoded(event, payload, seq, f"{self.numbering.epoch}:{seq}")

    def publish(self, message: Encoded) -> None:
        """Send the next message to all readers, in a row, and keep it."""
        self.seq = message.seq
        self.ring.append(message)
        self.numbering.counters.encodes += 1
        self.broadcast(message)

    def announce(self, event: str, payload: bytes) -> None:
        """Send something that has no number to all readers, those too who are behind: it stays in order."""
        message = Encoded(event, payload, self.numbering.take())
        self.ring.append(message)
        self.broadcast(message)

    def broadcast(self, message: Encoded) -> None:
        """Write a message to all readers. One that cannot take it does not keep it from the others."""
        counters = self.numbering.counters
        sent = 0
        for form, members in zip(Form, self._members, strict=True):
            if not members:
                continue
            writes = self._writes[form]
            if writes is None:
                writes = self._writes[form] = tuple(members.values())
            data = message.form(form)
            counters.frames += 1
            counters.sends += len(writes)
            sent += len(writes)
            rest = iter(writes)
            while True:
                try:
                    for write in rest:
                        write(data)
                    break
                except Exception:  # a connection in whatever state: its own end will be told
                    counters.write_errors += 1
        self.numbering.encoded_to_written.add(perf_counter_ns() - message.made_ns, sent)

    def resync(self, reason: str) -> Encoded:
        """What is held of the class is void."""
        payload = encode(Resync(stream=self.name, reason=reason))  # type: ignore[arg-type]
        return Encoded("resync", payload)

    @property
    def failed(self) -> str:
        """Why the class cannot go on; empty if it can."""
        return ""

    # -- time

    def sent_at(self, now: float) -> None:
        """Set when the next message may go: the class's own grid, at least half a period from now."""
        ticks = ceil((now + self.period / 2 - self.phase) / self.period)
        self.allowed = self.phase + ticks * self.period


class TooFarBehindError(Exception):
    """A reader lacks messages that are gone; its argument is the class's name."""
