"""The recent messages of a class, for those who were cut off or fell behind."""

from collections import deque
from collections.abc import Iterator

from depthcast.api.hub.encoded import Encoded

__all__ = ["Ring", "RingBytes"]


class RingBytes:
    """What all rings of a hub hold together.

    Attributes:
        held: bytes of JSON. With the frames and events made of it, it is up to three times that.
        most: rings that grow beyond it lose their own oldest messages.
    """

    __slots__ = ("held", "most")

    def __init__(self, most: int) -> None:
        self.held = 0
        self.most = most


class Ring:
    """Messages in order, bounded in number and bytes.

    Args:
        floor: the class's number before the first message.
        max_frames: messages kept at most.
        max_bytes: bytes of JSON kept at most; the newest message is kept whatever its size.
        together: what all rings hold.
    """

    __slots__ = ("_bytes", "_kept", "_max_bytes", "_max_frames", "_together", "floor")

    def __init__(self, floor: int, max_frames: int, max_bytes: int, together: RingBytes) -> None:
        self.floor = floor
        """The number of the last message that is not kept: who has it, and all before it, can go on."""
        self._kept: deque[Encoded] = deque()
        self._bytes = 0
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._together = together

    def __len__(self) -> int:
        return len(self._kept)

    def append(self, message: Encoded) -> None:
        self._kept.append(message)
        self._count(len(message.payload))
        while len(self._kept) > self._max_frames or (len(self._kept) > 1 and self._too_large()):
            gone = self._kept.popleft()
            self._count(-len(gone.payload))
            self.floor = gone.seq

    def clear(self) -> None:
        """Keep nothing: the class is no more."""
        self._count(-self._bytes)
        self._kept.clear()

    def _too_large(self) -> bool:
        return self._bytes > self._max_bytes or self._together.held > self._together.most

    def _count(self, size: int) -> None:
        self._bytes += size
        self._together.held += size

    def after(self, seq: int) -> Iterator[Encoded] | None:
        """The messages after number ``seq``, None if some of them are gone."""
        if seq < self.floor:
            return None
        return (message for message in self._kept if message.seq > seq)
