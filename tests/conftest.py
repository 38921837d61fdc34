"""Fixtures for all tests, and how hard the property tests try."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# The gate gives the same answer for the same tree; `nightly` looks further, at random.
settings.register_profile(
    "default", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "nightly", settings.get_profile("default"), derandomize=False, max_examples=2_000, stateful_step_count=100
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real sample files: ``DEPTHCAST_DATA``, by default ``../shared/data`` by the project."""
    folder = Path(os.environ.get("DEPTHCAST_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "CLX5_mbo.dbn").is_file():
        pytest.skip(f"real sample data is absent: no CLX5_mbo.dbn in {folder} (set DEPTHCAST_DATA)")
    return folder
