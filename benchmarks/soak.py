"""A long run whose memory must not grow: ``python -m benchmarks.soak [RECORDS]``, 100 M by default.

50 books hold 200,000 orders. Random orders are cancelled and replaced, moved as prices drift, and now and
then a book is cleared and filled anew. After a warm-up of a tenth the memory of the process is watched;
it may end at most 1 MiB above. Exit code 1 if it does not, or if an invariant is violated at the end.
"""

import sys
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.population import Population, resident_bytes
from depthcast import Engine

BOOKS: Final = 50
ORDERS: Final = 200_000
STEP: Final = 100_000
LINES: Final = 20
MIB: Final = 2**20
ALLOWED_MIB: Final = 1


def soak(engine: Engine, records: int, console: Console) -> float:
    """Churn so many records through an engine; by how many MiB the process grew after the warm-up."""
    population = Population(engine, ORDERS, BOOKS, STEP)
    population.fill()
    table = Table("records", "live orders", "engine, MiB", "process, MiB", title=f"{BOOKS} books")
    for column in table.columns:
        column.justify = "right"
    warm = shown = 0
    while population.records < records:
        population.churn()
        population.drift()
        population.clear()
        if not warm and population.records >= records // 10:
            warm = resident_bytes()
        if population.records >= records * shown // LINES:
            shown += 1
            counts = [f"{count:,}" for count in (population.records, engine.live_orders)]
            sizes = [f"{size / MIB:.1f}" for size in (engine.memory_bytes, resident_bytes())]
            table.add_row(*counts, *sizes)
    grown = (resident_bytes() - warm) / MIB
    console.print(table)
    return grown


def main() -> int:
    """Soak, print, judge."""
    console = Console()
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000_000
    engine = Engine()
    grown = soak(engine, records, console)
    console.print(
        f"{records:,} records: grown by {grown:.2f} MiB after the warm-up, {ALLOWED_MIB} are allowed"
    )
    violations = engine.verify()
    for violation in violations:
        console.print(f"violated: {violation}", markup=False)
    return int(grown > ALLOWED_MIB or bool(violations))


if __name__ == "__main__":
    sys.exit(main())
