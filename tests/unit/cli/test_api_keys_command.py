"""``depthcast keys ... --api``: keys of the API, of which only hashes are kept."""

import json
import time
from pathlib import Path

import pytest

from depthcast.api.key_file import ApiKeyFile
from tests.support.command import Result, command
from tests.support.gateways import free_port


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the keys of this test are kept."""
    path = tmp_path / "out" / "api-keys.json"
    monkeypatch.setenv("DEPTHCAST_API_KEYS_FILE", str(path))
    monkeypatch.setenv("DEPTHCAST_KEYS_FILE", str(tmp_path / "out" / "keys.json"))
    return path


def create(*options: object, name: str = "desk-1") -> str:
    result = command("keys", "create", "--api", "--name", name, *options)
    assert result.code == 0, result.err
    return result.out.removesuffix("\n")


def error_of(result: Result) -> str:
    assert result.code == 2
    assert result.out == ""
    return result.err.removeprefix("depthcast: error: ").removesuffix("\n")


def test_a_key_is_printed_once_and_kept_as_a_hash(file: Path) -> None:
    result = command("keys", "create", "--api", "--name", "desk-1", "--scope", "read", "--scope", "replay")
    token = result.out.strip()
    assert result.err == (
        f"API key {token[4:12]} for desk-1 (read, replay); it is not shown again\n"
        f"its hash is kept in {file}; an API with the same file accepts it within 15 s\n"
    )
    assert token[13:] not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    key = ApiKeyFile(file).read().find(token)
    assert key is not None
    assert (key.name, key.scopes, key.expires) == ("desk-1", ("read", "replay"), None)


def test_a_key_may_read_unless_told_otherwise(file: Path) -> None:
    token = create()
    key = ApiKeyFile(file).read().find(token)
    assert key is not None
    assert key.scopes == ("read",)


def test_keys_are_listed_apart_from_the_gateways(file: Path) -> None:
    token = create("--expires", "30d", "--scope", "admin")
    assert command("keys", "list").out == ""
    [row] = json.loads(command("keys", "list", "--api", "--json").out)
    assert (row["id"], row["state"], row["scopes"]) == (token[4:12], "active", ["admin"])
    table = command("keys", "list", "--api").out
    assert table.splitlines()[0].split() == ["id", "name", "state", "scopes", "created", "expires"]
    assert token[13:] not in table


def test_a_key_is_revoked_by_id_or_name(file: Path) -> None:
    token, other = create(), create(name="desk-2")
    assert command("keys", "revoke", "--api", token[4:12]).err == (
        f"revoked API key {token[4:12]} of desk-1 in {file}\n"
        "an API with the same file refuses it within 15 s\n"
    )
    assert "was revoked already" in command("keys", "revoke", "--api", "desk-1").err
    assert command("keys", "revoke", "--api", "desk-2").code == 0
    ring = ApiKeyFile(file).read()
    for each in (token, other):
        key = ring.find(each)
        assert key is not None
        assert key.ended(time.time_ns()) == "revoked"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "--api", "--name", "x", "--scope", "write"), "no scope 'write'"),
        (
            ("create", "--api", "--name", "x", "--max-sessions", "3"),
            "--max-sessions: keys of the API have none",
        ),
        (("create", "--api", "--name", "x", "--dataset", "A"), "--dataset: keys of the API have none"),
        (("create", "--api", "--name", "x", "--expires", "yesterday"), "--expires: expected a span"),
        (("create", "--name", "x", "--scope", "read"), "--scope: keys of the gateway have none"),
        (("create", "--api", "--name", ""), "1 to 64"),
        (("revoke", "--api", "nobody"), "no key 'nobody'; there are none"),
    ],
)
def test_what_cannot_be_done_is_said(file: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in error_of(command("keys", *arguments))
    assert not file.exists()


def test_a_database_that_is_not_there_is_said(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHCAST_API_KEYS_STORE", "database")
    monkeypatch.setenv("DEPTHCAST_DATABASE_URL", f"postgresql://me:s3cret@127.0.0.1:{free_port()}/history")
    for arguments in (("create", "--name", "desk-1"), ("list",), ("revoke", "desk-1")):
        result = command("keys", arguments[0], "--api", *arguments[1:])
        assert result.code == 4
        assert result.out == ""
        assert result.err.startswith("depthcast: error: database 127.0.0.1:")
        assert "s3cret" not in result.err
    assert not file.exists()


def test_two_keys_of_a_name_are_told_apart_by_id(file: Path) -> None:
    ids = {create()[4:12], create()[4:12]}
    said = error_of(command("keys", "revoke", "--api", "desk-1"))
    assert "say which by its id" in said
    assert all(each in said for each in ids)
