"""The recent messages of a class, for those who were cut off or fell behind."""

from collections import deque
from collections.abc import Iterator

from depthcast.api.hub.encoded import Encoded

__all__ = ["Ring"]


class Ring:
    """Messages in order, bounded in number and bytes.

    Args:
        floor: the class's number before the first message.
        max_frames: messages kept at most.
        max_bytes: bytes of JSON kept at most; the newest message is kept whatever its size.
    """

    __slots__ = ("_bytes", "_kept", "_max_bytes", "_max_frames", "floor")

    def __init__(self, floor: int, max_frames: int, max_bytes: int) -> None:
        self.floor = floor
        """The number of the last message that is not kept: who has it, and all before it, can go on."""
        self._kept: deque[Encoded] = deque()
        self._bytes = 0
        self._max_frames = max_frames
        self._max_bytes = max_bytes

    def __len__(self) -> int:
        return len(self._kept)

    def append(self, message: Encoded) -> None:
        self._kept.append(message)
        self._bytes += len(message.payload)
        while len(self._kept) > self._max_frames or (self._bytes > self._max_bytes and len(self._kept) > 1):
            gone = self._kept.popleft()
            self._bytes -= len(gone.payload)
            self.floor = gone.seq

    def after(self, seq: int) -> Iterator[Encoded] | None:
        """The messages after number ``seq``, None if some of them are gone."""
        if seq < self.floor:
            return None
        return (message for message in self._kept if message.seq > seq)
