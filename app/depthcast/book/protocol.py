"""What every engine can do, compiled or plain: the seam between the engine and those who ask it."""

from typing import TYPE_CHECKING, Literal, Protocol

from depthcast.book.types import Bbo, BookKey, BookStatus, Depth, Order, QueuePosition

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["BookEngine"]


class BookEngine(Protocol):
    """The engine's API (docs/book.md), as `Engine` and `ReferenceEngine` both have it."""

    def apply(self, buffer: "ReadableBuffer", /) -> int: ...

    def boundary(self, buffer: "ReadableBuffer", /) -> int: ...

    def books(self) -> list[BookKey]: ...

    def status(self, instrument_id: int, publisher_id: int | None = None) -> BookStatus: ...

    def changed(self) -> list[BookKey]: ...

    def depth(self, instrument_id: int, levels: int = 10, publisher_id: int | None = None) -> Depth: ...

    def bbo(self, instrument_id: int, publisher_id: int | None = None) -> Bbo: ...

    def orders(
        self, instrument_id: int, side: Literal["B", "A"], price: int, publisher_id: int | None = None
    ) -> list[Order]: ...

    def queue_position(
        self, order_id: int, instrument_id: int, publisher_id: int | None = None
    ) -> QueuePosition: ...

    def snapshot(self, instrument_id: int | None = None, publisher_id: int | None = None) -> bytes: ...

    def checksum(self, instrument_id: int, levels: int = 0, publisher_id: int | None = None) -> int: ...

    def mark_suspect(self, instrument_id: int | None = None, publisher_id: int | None = None) -> None: ...

    @property
    def counters(self) -> dict[str, int]: ...
