"""The channel status: how an instrument's feed and book are, on change."""

from msgspec.structs import replace

from depthcast.api.hub.books import read, standing_of, statuses_of
from depthcast.api.hub.classes import StreamClass
from depthcast.api.hub.encoded import Encoded
from depthcast.api.hub.messages import Feed, StatusMessage, encode
from depthcast.api.hub.stream import Numbering, Stream
from depthcast.api.hub.view import ReplicaView

__all__ = ["StatusStream", "class_status", "status_message", "told"]

Told = tuple[Feed, str, str, str | None, bool, bool]
"""Feed, reason, top, phase, complete, suspect."""


class StatusStream(Stream):
    """What is told of an instrument whenever it is another."""

    __slots__ = ("_instrument", "_told", "_view")

    def __init__(
        self, of: StreamClass, numbering: Numbering, phase: float, view: ReplicaView, instrument: str
    ) -> None:
        super().__init__(of, numbering, phase)
        self._view = view
        self._instrument = instrument
        self._told: Told = told(view, of.instrument_id, of.publisher_id)

    def flush(self) -> bool:
        now = told(self._view, self.of.instrument_id, self.of.publisher_id)
        if now != self._told:
            self._told = now
            prev_seq, seq = self.next_place()
            self.publish(self._encoded(prev_seq, seq))
        self.admit_waiting()
        return True

    def snapshot(self) -> list[Encoded]:
        self.flush()
        self.numbering.counters.snapshots += 1
        return [self._encoded(self.seq, self.seq)]

    def renew(self, reason: str) -> None:
        """Nothing is held that would be void: a status is whole."""

    def restate(self) -> bool:
        return told(self._view, self.of.instrument_id, self.of.publisher_id) != self._told

    @property
    def stale(self) -> bool:
        return self._view.stale

    def status(self) -> bytes:
        return class_status(self._view, self.of, self._instrument, self.numbering)

    def _encoded(self, prev_seq: int, seq: int) -> Encoded:
        status = status_message(
            self._view, self._told, self._instrument, self.of.instrument_id, self.numbering
        )
        of_class = replace(status, stream=self.name, prev_seq=prev_seq, seq=seq)
        return self.message("status", encode(of_class), seq)


def class_status(view: ReplicaView, of: StreamClass, instrument: str, numbering: Numbering) -> bytes:
    """How feed and book are, for the readers of a class that tells levels, orders or trades: no number."""
    now = told(view, of.instrument_id, of.publisher_id)
    status = status_message(view, now, instrument, of.instrument_id, numbering)
    return encode(replace(status, stream=of.name))


def told(view: ReplicaView, instrument_id: int, publisher_id: int | None) -> Told:
    """How the instrument is now, inside an event too: these are no levels."""
    publishers = view.publishers(instrument_id) if publisher_id is None else (publisher_id,)
    states = statuses_of(view.engine, instrument_id, publishers)
    feed, reason = view.feed, view.replica.reason
    if not states:
        return (feed, reason, "empty", None, False, False)
    face = None
    if len(states) > 1:
        face = read(view.engine, instrument_id, None, publishers, 1, stale=view.stale)
    return (
        feed,
        reason,
        face.top if face is not None else states[0].top,
        *standing_of(states),
    )


def status_message(
    view: ReplicaView, now: Told, instrument: str, instrument_id: int, numbering: Numbering
) -> StatusMessage:
    """What is told, as a message that belongs to no class yet."""
    feed, reason, top, phase, complete, suspect = now
    return StatusMessage(
        instrument=instrument,
        instrument_id=instrument_id,
        dataset=view.replica.dataset,
        epoch=numbering.epoch,
        ts_send=str(numbering.clock()),
        feed=feed,
        age_ms=view.age_ms,
        reason=reason,
        top=top,
        phase=phase,
        complete=complete,
        suspect=suspect,
    )
