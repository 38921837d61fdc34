"""For the tests of the command: no variable of the outside reaches it, and small files to read."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.support.dbn_files import metadata

WriteFile = Callable[..., Path]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nothing was set, on a terminal of 100 columns."""
    for name in list(os.environ):
        if name.startswith("DEPTHCAST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    """Writes records as a DBN file: ``write(records, name=..., **metadata)``."""

    def to_file(records: Iterable[bytes], name: str = "day.mbo.dbn", **changes: Any) -> Path:
        path = tmp_path / name
        path.write_bytes(metadata(**changes).encode() + b"".join(records))
        return path

    return to_file
