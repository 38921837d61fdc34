"""The public names of the package: there, typed, and loaded only when used."""

import subprocess
import sys

import pytest

import depthcast


def test_every_name_can_be_imported_at_once() -> None:
    names: dict[str, object] = {}
    exec("from depthcast import *", names)  # noqa: S102 - the statement under test
    assert set(depthcast.__all__) <= names.keys()
    assert dir(depthcast) == depthcast.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'depthcast' has no attribute 'Book'"):
        getattr(depthcast, "Book")  # noqa: B009 - mypy would refuse depthcast.Book


def test_the_version_is_the_projects() -> None:
    assert depthcast.__version__ == "0.1.0"


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import depthcast, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "depthcast" in loaded
    assert not loaded & {"numpy", "databento_dbn", "msgspec", "cyclopts", "importlib.metadata"}
