"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real sample files: ``DEPTHCAST_DATA``, by default ``../shared/data`` by the project."""
    folder = Path(os.environ.get("DEPTHCAST_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "CLX5_mbo.dbn").is_file():
        pytest.skip(f"real sample data is absent: no CLX5_mbo.dbn in {folder} (set DEPTHCAST_DATA)")
    return folder
