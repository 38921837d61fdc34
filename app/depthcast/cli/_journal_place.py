"""Where the journal is that a command works with."""

from typing import Annotated

from depthcast.cli._options import path_parameter
from depthcast.errors import UsageError
from depthcast.journal.objects import Objects, open_objects
from depthcast.journal.reader import journals
from depthcast.settings import Settings

__all__ = ["Location", "objects_at"]

Location = Annotated[
    str | None,
    path_parameter(help="The journal's folder, or s3://BUCKET/PREFIX. (default: journal.store, or .folder)"),
]


def objects_at(location: str | None, settings: Settings, *, may_come: bool = False) -> Objects:
    """The folder or store that was named, else that of the settings.

    Raises:
        UsageError: none is named, or there is no journal in it (unless it may come later).
        JournalError: the store does not answer.
    """
    where = location or settings.journal.store or settings.journal.folder
    if where is None:
        raise UsageError("say where the journal is: LOCATION, or the setting journal.store or journal.folder")
    objects = open_objects(str(where))
    if location is not None and not may_come and not journals(objects):
        raise UsageError(f"there is no journal in {location}")
    return objects
