"""``depthcast config``: what is in force, and where it came from."""

import json
from pathlib import Path

import pytest
from msgspec import Struct

from depthcast.cli import config as config_module
from depthcast.settings import Loaded, Origin, Secret, Settings, load
from tests.support.command import command


def test_the_table_shows_values_and_origins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dev.toml").write_text("[engine]\nmax_event_ns = 5\n")
    monkeypatch.setenv("DEPTHCAST_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("DEPTHCAST_ENGINE_KIND", "reference")
    result = command("config", "--environment", "dev", "--set", "engine.max_event_records=9")
    assert result.code == 0
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in result.out.splitlines()}
    assert list(rows)[:2] == ["setting", "environment"]
    assert list(rows)[2:] == list(load(Settings, variables={}).values)
    assert rows["setting"] == ["value", "from"]
    assert rows["environment"] == ["dev", "--environment"]
    assert rows["engine.kind"] == ["reference", "variable DEPTHCAST_ENGINE_KIND"]
    assert rows["engine.max_event_records"] == ["9", "--set"]
    assert rows["engine.max_event_ns"] == ["5", str(tmp_path / "dev.toml")]
    assert rows["reader.chunk_bytes"] == ["262144", "default"]
    assert rows["journal.folder"] == rows["journal.store"] == ["none", "default"]


def test_json_has_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHCAST_ENGINE_MAX_EVENT_NS", "7")
    result = command("config", "--json")
    document = json.loads(result.out)
    assert document["environment"] == {"value": "local", "layer": "default"}
    assert document["settings"]["engine.max_event_ns"] == {
        "value": 7,
        "layer": "variable",
        "from": "DEPTHCAST_ENGINE_MAX_EVENT_NS",
    }


def test_an_unknown_variable_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHCAST_PORT", "tcp://10.0.0.1")
    result = command("config")
    assert result.code == 0
    assert result.err == "depthcast: warning: variable DEPTHCAST_PORT is not a setting; it is ignored\n"


class _Secretive(Struct, frozen=True):
    password: Secret | None = None
    folder: Path = Path("x")


@pytest.mark.parametrize("form", ["_as_table", "_as_json"])
def test_a_secret_is_redacted(form: str) -> None:
    values = {"password": Secret("hunter2"), "folder": Path("data")}
    origin = Origin("variable", "DEPTHCAST_PASSWORD")
    loaded = Loaded(_Secretive(), values, dict.fromkeys(values, origin), "local", Origin("default"), None, ())
    text = getattr(config_module, form)(loaded)
    assert "hunter2" not in text
    assert "********" in text
    assert "DEPTHCAST_PASSWORD" in text
    assert "data" in text
