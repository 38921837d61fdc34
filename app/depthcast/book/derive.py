"""Deriving mbp-1, mbp-10, tbbo, trades, bbo and ohlcv from MBO records, in one pass over one engine.

docs/decisions/0002-derived-schemas.md says which record is derived from which and what each field means.
`depthcast.book.reference_derive` says the same in plain Python.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from depthcast.book.derive_kernel import DeriveKernel
from depthcast.book.derive_schemas import SCHEMAS, DerivedSchema, derived_schema
from depthcast.book.engine import Engine

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["SCHEMAS", "DerivedSchema", "Deriver", "DeriverSet", "derived_schema"]


class DeriverSet:
    """Derives several schemas at once from the same records and the same books.

    Everything that is derived is DBN version 3, as whole records. It depends only on the records applied, not
    on how they were cut into buffers.

    Args:
        schemas: names of `SCHEMAS`, each at most once.
        engine: the engine to apply the records to; its own when not given. From here on records must reach it
            through this deriver only. Its books may be asked at any time.
        publisher_id, instrument_id: derive of these books only. All records are applied all the same.

    Raises:
        ValueError: there is no such schema, or none was named, or one twice; an id that no record can have.
    """

    def __init__(
        self,
        schemas: Iterable[str],
        *,
        engine: Engine | None = None,
        publisher_id: int | None = None,
        instrument_id: int | None = None,
    ) -> None:
        self._names = [derived_schema(name).name for name in schemas]
        if not self._names or len(set(self._names)) != len(self._names):
            raise ValueError(f"name at least one schema, and each once: {self._names}")
        _check_id("publisher_id", publisher_id, 2**16)
        _check_id("instrument_id", instrument_id, 2**32)
        self.engine = Engine() if engine is None else engine
        self._kernel = DeriveKernel(self._names, self.engine, publisher_id, instrument_id)
        self._wanted = frozenset(self._names)

    @property
    def wanted(self) -> frozenset[str]:
        """The schemas that write records; at first all.

        The others cost little and answer with no bytes, but keep up: once one is wanted again, it gives
        exactly the records that it would give had it always been.

        Raises:
            ValueError: set to a schema that this set does not derive.
            RuntimeError: set while records are being applied.
        """
        return self._wanted

    @wanted.setter
    def wanted(self, schemas: Iterable[str]) -> None:
        wanted = frozenset(schemas)
        if not wanted.issubset(self._names):
            raise ValueError(f"only {self._names} are derived, not {sorted(wanted.difference(self._names))}")
        self._kernel.want([name in wanted for name in self._names])
        self._wanted = wanted

    def apply(self, buffer: "ReadableBuffer") -> dict[str, bytes]:
        """Apply a buffer of whole records; the records derived from them, by schema. It releases the GIL.

        Raises:
            RecordError: broken framing, as of `Engine.apply`. What the records before it gave comes with the
                next call.
        """
        return dict(zip(self._names, self._kernel.apply(buffer), strict=True))

    def advance(self, ts_recv: int) -> dict[str, bytes]:
        """Say that this time (ns) has come though no record did: intervals that have ended are closed.

        A record with an earlier ts_recv that still comes counts in the interval that is open then.
        """
        return dict(zip(self._names, self._kernel.advance(ts_recv), strict=True))

    def flush(self) -> dict[str, bytes]:
        """Say that the data has ended: the open intervals of bbo and ohlcv are closed."""
        return dict(zip(self._names, self._kernel.flush(), strict=True))


class Deriver:
    """Derives one schema: as `DeriverSet`, which says what the arguments mean.

    Raises:
        ValueError: there is no such schema, or an id that no record can have.
    """

    def __init__(
        self,
        schema: str,
        *,
        engine: Engine | None = None,
        publisher_id: int | None = None,
        instrument_id: int | None = None,
    ) -> None:
        self.schema = derived_schema(schema)
        self._set = DeriverSet(
            [schema], engine=engine, publisher_id=publisher_id, instrument_id=instrument_id
        )
        self.engine = self._set.engine

    def apply(self, buffer: "ReadableBuffer") -> bytes:
        """Apply a buffer of whole records; the records derived from them. See `DeriverSet.apply`."""
        return self._set.apply(buffer)[self.schema.name]

    def advance(self, ts_recv: int) -> bytes:
        """Close the intervals that have ended by this time (ns). See `DeriverSet.advance`."""
        return self._set.advance(ts_recv)[self.schema.name]

    def flush(self) -> bytes:
        """Close the open intervals: the data has ended."""
        return self._set.flush()[self.schema.name]


def _check_id(name: str, value: int | None, limit: int) -> None:
    if value is not None and not 0 <= value < limit:
        raise ValueError(f"{name} is {value}: it is at least 0 and less than {limit}")
