"""How a migration runs SQL: files of plain statements, as they are."""

from pathlib import Path
from types import ModuleType
from typing import Final

__all__ = ["FOLDER", "run"]

FOLDER: Final = Path(__file__).parent


def run(op: ModuleType, *names: str) -> None:
    """Put the statements of these files of ``sql`` into the migration.

    ``{kind}`` in a name is plain or timescale; ``{partitioned}`` in a statement makes its table one that is
    partitioned by time, where there are no hypertables.
    """
    context = op.get_context()
    kind = context.opts["kind"]
    partitioned = "PARTITION BY RANGE (ts)" if kind == "plain" else ""
    for name in names:
        text = (FOLDER / "sql" / f"{name.format(kind=kind)}.sql").read_text(encoding="utf-8")
        context.impl.static_output(text.replace("{partitioned}", partitioned))
