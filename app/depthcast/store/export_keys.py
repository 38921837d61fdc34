"""Where the files of exports are: known from the export alone, so that none is ever lost sight of."""

from typing import Final

__all__ = ["FILES", "SUFFIXES", "key_of", "keys_of"]

FILES: Final = "exports/"
"""The prefix of results in the object store."""
SUFFIXES: Final = {"csv": "csv", "arrow": "arrows", "parquet": "parquet"}


def key_of(export_id: str, attempt: int, form: str) -> str:
    """Where an attempt puts its file: nobody who made it before, and was thought dead, writes there."""
    return f"{FILES}{export_id}-{attempt}.{SUFFIXES[form]}"


def keys_of(export_id: str, attempts: int, form: str | None) -> list[str]:
    """Where files of an export may be, also of attempts that were broken off or given back.

    Args:
        attempts: how often it was begun. One that was given back does not count, and may have left a file.
        form: of its file; of one that is not known there is none.
    """
    if form not in SUFFIXES:
        return []
    return [key_of(export_id, attempt, form) for attempt in range(1, attempts + 2)]
