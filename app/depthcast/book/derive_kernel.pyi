from collections.abc import Sequence
from typing import final

from _typeshed import ReadableBuffer

from depthcast.book.engine import Engine

@final
class DeriveKernel:
    """The compiled part of `depthcast.book.derive`: it answers with a list, one entry a schema asked for."""

    def __init__(
        self,
        schemas: Sequence[str],
        engine: Engine,
        publisher_id: int | None = None,
        instrument_id: int | None = None,
    ) -> None: ...
    @property
    def engine(self) -> Engine: ...
    def apply(self, buffer: ReadableBuffer) -> list[bytes]: ...
    def advance(self, ts_recv: int) -> list[bytes]: ...
    def flush(self) -> list[bytes]: ...
    def want(self, wanted: Sequence[bool]) -> None: ...
