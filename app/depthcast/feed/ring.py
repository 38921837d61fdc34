"""The ring of batches: one writer (the loop), any number of cursors, no queue and no copy for any of them.

A cursor is an index. Sessions' cursors may fall off the tail: they were too slow. The cursors of the books
and of the journal are gates: what they have not consumed is not let go, and there is no room for more.
"""

import threading
from typing import Final

from depthcast.live.feed_view import Batch

__all__ = ["Gate", "Ring"]

_IDLE_POLLS: Final = 20
"""After so many polls without a batch, a gate's thread sleeps until it is woken."""
_IDLE_WAIT_S: Final = 0.5


class Gate:
    """The cursor of a thread that must see every batch. Made by `Ring.gate`.

    Attributes:
        index: every batch before it was consumed. Its thread alone writes it.
    """

    def __init__(self, ring: "Ring", index: int) -> None:
        self.index = index
        self.asleep = False
        self._ring = ring
        self._woken = threading.Event()
        self._polls = 0

    def wait(self, poll_s: float) -> int:
        """Sleep a little; the ring's head after that.

        While batches come it polls every ``poll_s``, which costs the writer nothing and gathers what comes
        meanwhile; after a while without any it sleeps until the next is appended or it is woken.
        """
        if self._ring.head != self.index:
            self._polls = 0
        self._polls += 1
        if self._polls <= _IDLE_POLLS:
            self._woken.wait(poll_s)
        else:
            self.asleep = True
            if self._ring.head == self.index:  # looked at once more: the writer looks at `asleep` after it
                self._woken.wait(_IDLE_WAIT_S)
            self.asleep = False
        self._woken.clear()
        return self._ring.head

    def wake(self) -> None:
        """End a sleep. Any thread."""
        self._woken.set()


class Ring:
    """Batches by index, the newest ``max_bytes`` of them.

    Only the loop's thread appends. `get` is safe from any thread.

    Attributes:
        head: the index of the batch that comes next.
        tail: the oldest index held.
        position: records in all batches so far, and before the first.
        bytes_in: bytes of all batches so far.
        derived_in: bytes of derived records so far: counted by the thread that derives them.
    """

    def __init__(self, max_bytes: int, *, position: int = 0, max_batches: int = 1 << 16) -> None:
        if max_batches & (max_batches - 1):
            raise ValueError(f"max_batches must be a power of two, not {max_batches}")
        self.max_bytes = max_bytes
        self.head = 0
        self.tail = 0
        self.position = position
        self.bytes_in = 0
        self.derived_in = 0
        self._bytes_out = 0
        self._mask = max_batches - 1
        self._slots: list[Batch | None] = [None] * max_batches
        self._bytes_before = [0] * max_batches
        self._gates: list[Gate] = []
        self._needed = 0
        """Gates need no batch before this one; they may be further by now."""

    @property
    def held_bytes(self) -> int:
        """Bytes of the batches held, with what was derived from them."""
        return self.bytes_in + self.derived_in - self._bytes_out

    def gate(self) -> Gate:
        """A new gate, at the head."""
        gate = Gate(self, self.head)
        self._gates.append(gate)
        return gate

    def get(self, index: int) -> Batch | None:
        """A batch, None if it has been let go or has not come."""
        batch = self._slots[index & self._mask]
        return batch if batch is not None and batch.index == index else None

    def room(self, size: int) -> bool:
        """Whether ``size`` more bytes fit without letting go what a gate still needs."""
        return self.room_after(self._needed, size) or self.room_after(self._least(), size)

    def room_after(self, index: int, size: int) -> bool:
        """Whether ``size`` more bytes fit while the batches from ``index`` on are held."""
        if index >= self.head:
            return True
        if self.head - max(index, self.tail) > self._mask:
            return False
        return self.pending_bytes(index) + size <= self.max_bytes

    def pending_bytes(self, index: int) -> int:
        """Bytes of the batches from ``index`` on."""
        if index >= self.head:
            return 0
        return self.bytes_in - self._bytes_before[max(index, self.tail) & self._mask]

    def append(
        self, data: bytes, count: int, due_ns: int, advance_ns: int = 0, *, mbo_only: bool = False
    ) -> Batch:
        """Append a batch; the oldest are let go for it, if no gate needs them. See `room`."""
        batch = Batch(self.head, self.position, count, data, due_ns, advance_ns, mbo_only=mbo_only)
        while self.held_bytes + len(data) > self.max_bytes or self.head - self.tail > self._mask:
            if self.tail >= self._needed and self.tail >= self._least():
                break
            self._let_go()
        slot = self.head & self._mask
        self._slots[slot] = batch
        self._bytes_before[slot] = self.bytes_in
        self.position += count
        self.bytes_in += len(data)
        self.head += 1
        for gate in self._gates:
            if gate.asleep:
                gate.wake()
        return batch

    def _least(self) -> int:
        """The first batch that a gate still needs."""
        self._needed = min((gate.index for gate in self._gates), default=self.head)
        return self._needed

    def _let_go(self) -> None:
        slot = self.tail & self._mask
        batch = self._slots[slot]
        if batch is None:
            raise AssertionError("the ring's tail is empty")
        self._slots[slot] = None
        self._bytes_out += len(batch.data)
        if batch.derived:
            self._bytes_out += sum(map(len, batch.derived.values()))
        self.tail += 1
