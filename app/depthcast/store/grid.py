"""The grid of ``depth``: how long the intervals are at whose ends a book's levels are kept.

Rows of two grids do not go together, so a database has one: that of the first segment it is given. Another
one is refused until the history is emptied and made again (`depthcast rebuild`).
"""

from typing import Final

from depthcast.errors import StoreError
from depthcast.store.connect import Connection

__all__ = ["DEFAULT_GRID_MS", "GRIDS_MS", "change", "grid_of", "hold", "settle"]

GRIDS_MS: Final = (10, 20, 50, 100, 200, 250, 500, 1000)
"""Each divides a second, so that a second's last row is the last of its intervals' rows."""
DEFAULT_GRID_MS: Final = 1000

_FOUND: Final = "SELECT grid_ms FROM depthcast.depth_grid"
_PUT: Final = "INSERT INTO depthcast.depth_grid (grid_ms) VALUES ($1) ON CONFLICT (one)"


async def settle(connection: Connection, grid_ms: int) -> None:
    """Be of one mind with the database; it takes this grid if it has none.

    Args:
        connection: as the writer. Not in a transaction.
        grid_ms: one of `GRIDS_MS`.

    Raises:
        StoreError: it has another one.
    """
    found = await connection.fetchval(_FOUND)
    if found is None:
        await connection.execute(f"{_PUT} DO NOTHING", grid_ms)
        found = await connection.fetchval(_FOUND)
    _compare(found, grid_ms)


async def hold(connection: Connection, grid_ms: int) -> None:
    """Keep the grid as it is until the transaction ends. Raises as `settle`."""
    _compare(await connection.fetchval(f"{_FOUND} FOR SHARE"), grid_ms)


async def change(connection: Connection, grid_ms: int) -> None:
    """Set the grid, in the transaction that empties the history: before, so that nobody holds it then."""
    await connection.execute(_PUT + " DO UPDATE SET grid_ms = excluded.grid_ms", grid_ms)  # nosec B608


async def grid_of(connection: Connection) -> int:
    """The grid that the history has, for a reader; the default of one that has no rows yet."""
    found = await connection.fetchval("SELECT grid_ms FROM history.depth_grid")
    return DEFAULT_GRID_MS if found is None else int(found)


def _compare(found: int | None, grid_ms: int) -> None:
    if found != grid_ms:
        raise StoreError(
            f"the database has depth every {found} ms, database.depth_grid_ms is {grid_ms}: "
            "set it to the same, or make the history again with depthcast rebuild"
        )
