"""For the tests of the command: no variable of the outside reaches it, and small files to read."""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.support.dbn_files import metadata
from tests.support.journals import Recording, crashed_copy, recorded_journal, simulated_feed

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


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed journal of six segments."""
    return recorded_journal(tmp_path_factory.mktemp("recorded"))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal whose last segment is open."""
    folder = tmp_path_factory.mktemp("killed")
    recording = Recording(folder / "alive")
    recording.record(simulated_feed(), rotate_every=1_000)
    crashed_copy(recording, folder / "alive", folder / "copy")
    recording.writer.abandon()
    return folder / "copy"


@pytest.fixture
def copy(recorded: Path, tmp_path: Path) -> Path:
    """A copy of the closed journal, to be damaged."""
    shutil.copytree(recorded, tmp_path / "copy")
    return tmp_path / "copy"
