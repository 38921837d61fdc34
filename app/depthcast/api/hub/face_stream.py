"""The channels that show a book's first levels: book and bbo."""

from depthcast.api.hub.books import (
    Face,
    Place,
    bbo_message,
    read,
    snapshot_message,
    standing,
    update_message,
)
from depthcast.api.hub.classes import StreamClass
from depthcast.api.hub.encoded import Encoded
from depthcast.api.hub.messages import encode
from depthcast.api.hub.status_stream import class_status
from depthcast.api.hub.stream import Numbering, Stream
from depthcast.api.hub.view import ReplicaView

__all__ = ["BboStream", "BookStream", "FaceStream"]


class FaceStream(Stream):
    """A stream of what a book shows. It remembers what its readers hold, and sends the difference."""

    __slots__ = ("_instrument", "_reason", "_snapshot", "_view", "face")

    def __init__(
        self, of: StreamClass, numbering: Numbering, phase: float, view: ReplicaView, instrument: str
    ) -> None:
        super().__init__(of, numbering, phase)
        self._view = view
        self._instrument = instrument
        self._reason: str | None = None
        self._snapshot: Encoded | None = None
        self.face: Face | None = self._read()
        """What the readers hold at `seq`; None before the book was first seen outside an event."""

    def flush(self) -> bool:
        face = self._read()
        if face is None:
            self.numbering.counters.held_back += 1
            face = self._held_face()
            if face is None:
                self.tell_waiting()
                return False
        before, reason = self.face, self._reason
        if before is None or reason is not None:
            self._begin_anew(face, reason)
        elif not face.shows_the_same(before):
            self._send_change(before, face)
        self.admit_waiting()
        return True

    def snapshot(self) -> list[Encoded] | None:
        if self._reason is not None or self.face is None or self.face.stale != self._view.stale:
            self.flush()
        if self.face is None or self._reason is not None:
            return None
        if self._snapshot is None:
            self._snapshot = self._whole(self.face, self._place(self.seq, self.seq))
            self.numbering.counters.snapshots += 1
        return [self._snapshot]

    def renew(self, reason: str) -> None:
        self._reason = reason

    @property
    def stale(self) -> bool:
        return self._view.stale

    def status(self) -> bytes:
        return class_status(self._view, self.of, self._instrument, self.numbering)

    def restate(self) -> bool:
        face, of, view = self.face, self.of, self._view
        if face is None:
            return False
        publishers = view.publishers(of.instrument_id) if of.publisher_id is None else (of.publisher_id,)
        now = standing(view.engine, of.instrument_id, publishers)
        told = (face.phase, face.complete, face.suspect)
        return face.stale != view.stale or (now is not None and now != told)

    def _read(self) -> Face | None:
        of, view = self.of, self._view
        publishers = view.publishers(of.instrument_id) if of.publisher_id is None else ()
        return read(view.engine, of.instrument_id, of.publisher_id, publishers, of.depth, stale=view.stale)

    def _held_face(self) -> Face | None:
        """Inside an event: what was shown before, if only the feed's state is to be told."""
        if self.face is None or self._reason is not None or self.face.stale == self._view.stale:
            return None
        return self.face.as_stale(self._view.stale)

    def _begin_anew(self, face: Face, reason: str | None) -> None:
        prev_seq, seq = self.next_place()
        if reason is not None:
            self.numbering.counters.resyncs += 1
            self.broadcast(self.resync(reason))
        self.face, self._reason, self.told_ns = face, None, self.changed_ns
        message = self._whole(face, self._place(prev_seq, seq))
        self._snapshot = message
        self.publish(message)

    def _send_change(self, before: Face, face: Face) -> None:
        prev_seq, seq = self.next_place()
        self.face, self._snapshot, self.told_ns = face, None, self.changed_ns
        self.publish(self._change(before, face, self._place(prev_seq, seq)))

    def _place(self, prev_seq: int, seq: int) -> Place:
        numbering = self.numbering
        return Place(self.name, numbering.epoch, prev_seq, seq, self.told_ns, numbering.clock())

    def _whole(self, face: Face, at: Place) -> Encoded:
        return self.message("snapshot", encode(snapshot_message(face, at)), at.seq)

    def _change(self, before: Face, face: Face, at: Place) -> Encoded:
        return self.message("update", encode(update_message(before, face, at, self.of.depth)), at.seq)


class BookStream(FaceStream):
    """The first levels of both sides."""

    __slots__ = ()


class BboStream(FaceStream):
    """The best level of each side; every message is whole."""

    __slots__ = ()

    def _whole(self, face: Face, at: Place) -> Encoded:
        return self.message("bbo", encode(bbo_message(face, at)), at.seq)

    def _change(self, before: Face, face: Face, at: Place) -> Encoded:  # noqa: ARG002
        return self._whole(face, at)
