"""Exports that were asked for, as all tasks of the API share them: in the database.

An export belongs to whoever claimed it for as long as that one renews its lease; then anybody may claim it.
What is asked twice with one idempotency key is one export, also where it is asked at once of two tasks.
"""

import uuid
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Struct

from depthcast.store.connect import Connection
from depthcast.store.grid import DEFAULT_GRID_MS
from depthcast.store.history.fields import Kind
from depthcast.store.history.ledger import Named
from depthcast.store.history.query import Query

__all__ = [
    "Bounds",
    "Export",
    "Order",
    "Refusal",
    "State",
    "Written",
    "cancel",
    "claim",
    "fail",
    "find",
    "finish",
    "give_back",
    "renew",
    "submit",
]

MAX_ATTEMPTS: Final = 5
"""An export that was begun so often, and never done, has failed."""
State = Literal["waiting", "running", "done", "failed", "cancelled"]


class Order(Struct, frozen=True, kw_only=True):
    """What is to be exported: everything that its rows depend on, settled when it was asked for.

    ``asked`` is the request as it was sent, for answers.
    """

    kind: Kind
    dataset: str
    instrument_id: int
    symbol: str
    publisher_id: int | None
    start_ns: int
    end_ns: int
    step_ms: int
    grid_ms: int = DEFAULT_GRID_MS
    format: Literal["csv", "arrow", "parquet"]
    asked: dict[str, Any]

    @property
    def query(self) -> Query:
        return Query(
            kind=self.kind,
            dataset=self.dataset,
            instrument_id=self.instrument_id,
            publisher_id=self.publisher_id,
            start_ns=self.start_ns,
            end_ns=self.end_ns,
            step_ms=self.step_ms,
            grid_ms=self.grid_ms,
        )

    @property
    def named(self) -> Named:
        return Named(self.dataset, self.instrument_id, self.symbol)


class Export(NamedTuple):
    """An export as the database has it. Times are those of the database's clock."""

    export_id: str
    order: Order
    state: State
    attempts: int
    rows: int
    bytes: int
    reached_ns: int | None
    result: str | None
    sha256: str | None
    problem: str | None
    created: datetime
    started: datetime | None
    finished: datetime | None
    expires: datetime


class Written(NamedTuple):
    """How far an export is: its rows, its bytes, the time of its last row (ns)."""

    rows: int = 0
    bytes: int = 0
    reached_ns: int | None = None


class Bounds(NamedTuple):
    """How many exports may wait or be made: of one owner, and of all; and how long one is kept."""

    per_owner: int
    waiting: int
    retain_s: float


class Refusal(Enum):
    """Why no export was made."""

    REUSED = "the key was used for another request"
    TOO_MANY = "this owner has as many as there may be"
    FULL = "there are as many as there may be"


_COLUMNS: Final = (
    "export_id::text, request::text, state, attempts, rows_written, bytes_written, reached, result, sha256, "
    "problem, created, started, finished, expires"
)
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('depthcast.exports'))"
_KNOWN: Final = """
SELECT request_sha256, answer->>'export_id' FROM depthcast.idempotency_keys
WHERE key_id = $1 AND idempotency_key = $2 AND expires > now()
"""
_FORGET: Final = "DELETE FROM depthcast.idempotency_keys WHERE key_id = $1 AND idempotency_key = $2"
_REMEMBER: Final = """
INSERT INTO depthcast.idempotency_keys (key_id, idempotency_key, request_sha256, status, answer, expires)
VALUES ($1, $2, $3, 202, $4::jsonb, now() + $5)
"""
_OPEN: Final = """
SELECT count(*) FILTER (WHERE key_id = $1), count(*) FROM depthcast.exports
WHERE state IN ('waiting', 'running') AND expires > now()
"""
_INSERT: Final = f"""
INSERT INTO depthcast.exports (export_id, key_id, request, state, expires)
VALUES ($1, $2, $3::jsonb, 'waiting', now() + $4) RETURNING {_COLUMNS}
"""  # noqa: S608 # nosec B608
_FIND: Final = f"""
SELECT {_COLUMNS} FROM depthcast.exports WHERE export_id = $1 AND key_id = $2 AND expires > now()
"""  # noqa: S608 # nosec B608
_CANCEL: Final = """
UPDATE depthcast.exports SET state = 'cancelled', finished = now(), result = NULL, sha256 = NULL
WHERE export_id = $1
"""
_EXHAUSTED: Final = """
UPDATE depthcast.exports SET state = 'failed', finished = now(), problem = 'it was begun too often'
WHERE state = 'running' AND leased < now() AND attempts >= $1
"""
_CLAIM: Final = f"""
UPDATE depthcast.exports
SET state = 'running', runner = $1, leased = now() + $2, attempts = attempts + 1,
    started = coalesce(started, now()), rows_written = 0, bytes_written = 0, reached = NULL
WHERE export_id = (
  SELECT export_id FROM depthcast.exports
  WHERE expires > now() AND (state = 'waiting' OR (state = 'running' AND leased < now()))
  ORDER BY created LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING {_COLUMNS}
"""  # noqa: S608 # nosec B608
_RENEW: Final = """
UPDATE depthcast.exports SET leased = now() + $3, rows_written = $4, bytes_written = $5, reached = $6
WHERE export_id = $1 AND runner = $2 AND state = 'running' RETURNING 1
"""
_FINISH: Final = """
UPDATE depthcast.exports SET state = 'done', finished = now(), result = $3, sha256 = $4,
  rows_written = $5, bytes_written = $6, reached = $7
WHERE export_id = $1 AND runner = $2 AND state = 'running' RETURNING 1
"""
_FAIL: Final = """
UPDATE depthcast.exports SET state = 'failed', finished = now(), problem = $3
WHERE export_id = $1 AND runner = $2 AND state = 'running' RETURNING 1
"""
_GIVE_BACK: Final = """
UPDATE depthcast.exports SET state = 'waiting', attempts = attempts - 1
WHERE export_id = $1 AND runner = $2 AND state = 'running' RETURNING 1
"""


async def submit(
    connection: Connection, owner: str, idempotency_key: str, digest: str, order: Order, bounds: Bounds
) -> Export | Refusal:
    """Take an order; the export that this key made before, as it was when it was made, if there is one.

    Args:
        owner: whose export it will be, and whose idempotency keys are looked at.
        idempotency_key: the client's.
        digest: stands for the request's content.
        order: what to export.
        bounds: how many there may be.
    """
    keep = timedelta(seconds=bounds.retain_s)
    async with connection.transaction():
        await connection.execute(_LOCK)
        known = await connection.fetchrow(_KNOWN, owner, idempotency_key)
        if known is not None:
            if known[0] != digest:
                return Refusal.REUSED
            found = await connection.fetchrow(_FIND, uuid.UUID(known[1]), owner)
            if found is not None:
                return _as_made(_export(found))
        of_owner, of_all = (await connection.fetch(_OPEN, owner))[0]
        if of_owner >= bounds.per_owner:
            return Refusal.TOO_MANY
        if of_all >= bounds.waiting:
            return Refusal.FULL
        export_id = uuid.uuid4()
        row = await connection.fetchrow(_INSERT, export_id, owner, msgspec.json.encode(order).decode(), keep)
        answer = msgspec.json.encode({"export_id": str(export_id)}).decode()
        await connection.execute(_FORGET, owner, idempotency_key)
        await connection.execute(_REMEMBER, owner, idempotency_key, digest, answer, keep)
        return _export(row)


async def find(connection: Connection, owner: str, export_id: uuid.UUID) -> Export | None:
    """An owner's export; None if there is none (any more)."""
    row = await connection.fetchrow(_FIND, export_id, owner)
    return None if row is None else _export(row)


async def cancel(connection: Connection, owner: str, export_id: uuid.UUID) -> Export | None:
    """End an owner's export; as it was before, None if there was none. The caller removes its result."""
    async with connection.transaction():
        row = await connection.fetchrow(f"{_FIND} FOR UPDATE", export_id, owner)
        if row is None:
            return None
        await connection.execute(_CANCEL, export_id)
        return _export(row)


async def claim(connection: Connection, runner: str, lease_s: float) -> Export | None:
    """The oldest export that nobody makes, now the runner's; None if there is none."""
    await connection.execute(_EXHAUSTED, MAX_ATTEMPTS)
    row = await connection.fetchrow(_CLAIM, runner, timedelta(seconds=lease_s))
    return None if row is None else _export(row)


async def renew(
    connection: Connection, runner: str, export: Export, written: Written, lease_s: float
) -> bool:
    """Say that an export is being made, and how far; whether it is still the runner's."""
    export_id = uuid.UUID(export.export_id)
    lease = timedelta(seconds=lease_s)
    return await connection.fetchval(_RENEW, export_id, runner, lease, *written) is not None


async def finish(
    connection: Connection,
    runner: str,
    export: Export,
    result: str,
    sha256: str,
    written: Written,
) -> bool:
    """Say that an export is done, and where its result is; whether it was still the runner's."""
    export_id = uuid.UUID(export.export_id)
    return await connection.fetchval(_FINISH, export_id, runner, result, sha256, *written) is not None


async def fail(connection: Connection, runner: str, export: Export, problem: str) -> bool:
    """Say that an export cannot be made; whether it was still the runner's."""
    return await connection.fetchval(_FAIL, uuid.UUID(export.export_id), runner, problem) is not None


async def give_back(connection: Connection, runner: str, export: Export) -> bool:
    """Leave an export to others; whether it was still the runner's."""
    return await connection.fetchval(_GIVE_BACK, uuid.UUID(export.export_id), runner) is not None


def _export(row: Any) -> Export:
    export_id, request, *rest = row
    return Export(export_id, msgspec.json.decode(request, type=Order), *rest)


def _as_made(export: Export) -> Export:
    """An export as it was when it was asked for."""
    return export._replace(
        state="waiting", attempts=0, rows=0, bytes=0, reached_ns=None, result=None, sha256=None, problem=None,
        started=None, finished=None,
    )  # fmt: skip
