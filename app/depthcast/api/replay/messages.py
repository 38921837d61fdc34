"""What a replay says beside the messages of its classes, and how those are marked."""

from typing import Final, Literal

from msgspec import UNSET, Struct, UnsetType

__all__ = ["EPOCH", "ReplayInstrument", "ReplayState", "ReplaySubscribed", "State", "marked"]

EPOCH: Final = "replay"
"""The epoch of all replays: their numbers are positions of the journal, the same in every process."""

State = Literal["playing", "paused", "ended", "failed"]


class ReplayInstrument(Struct, frozen=True, kw_only=True):
    """An instrument of a replay."""

    instrument: str
    instrument_id: int


class ReplaySubscribed(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="subscribed", rename={"stream": "class"}
):
    """A replay begins. Each of its classes is told of by a ``subscribed`` of its own."""

    stream: str
    id: int | str | None
    channel: Literal["replay"] = "replay"
    instruments: list[ReplayInstrument]
    dataset: str
    channels: list[str]
    publisher: int | None
    depth: int
    rate: int | None
    start: str
    end: str | None
    speed: float | Literal["max"]
    paused: bool
    available_from: str | None
    available_until: str | None
    epoch: str
    seq: int
    replay: bool = True


class ReplayState(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="replay", rename={"stream": "class"}
):
    """How a replay is, and how far it has come; on change, in answer to a request, and every second."""

    stream: str
    id: int | str | UnsetType | None = UNSET
    state: State
    reason: str
    speed: float | Literal["max"]
    ts_replay: str
    ts_send: str
    epoch: str
    seq: int
    events: int


def marked(payload: bytes, ts_replay: int) -> bytes:
    """A message of a class, with what tells it from one of now."""
    return payload[:-1] + b',"replay":true,"ts_replay":"%d"}' % ts_replay
