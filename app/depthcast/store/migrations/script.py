"""How a migration runs SQL: files of plain statements, as they are."""

from pathlib import Path
from types import ModuleType
from typing import Final

__all__ = ["FOLDER", "run"]

FOLDER: Final = Path(__file__).parent


def run(op: ModuleType, *names: str) -> None:
    """Put the statements of these files of ``sql`` into the migration.

    ``{kind}`` in a name is plain or timescale. In a statement ``{partitioned}`` makes its table one that is
    partitioned by time, where there are no hypertables; ``{rollup}`` is what a rollup is there.
    """
    context = op.get_context()
    kind = context.opts["kind"]
    words = {"{partitioned}": "", "{rollup}": "VIEW"}
    if kind == "plain":
        words = {"{partitioned}": "PARTITION BY RANGE (ts)", "{rollup}": "TABLE"}
    for name in names:
        text = (FOLDER / "sql" / f"{name.format(kind=kind)}.sql").read_text(encoding="utf-8")
        for word, meant in words.items():
            text = text.replace(word, meant)
        context.impl.static_output(text)
