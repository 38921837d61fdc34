"""Keys in AWS Secrets Manager, against moto's server in a process of its own."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from depthcast.errors import KeyStoreError
from depthcast.live.key_stores import MAX_SECRET_BYTES, SecretsManagerKeyStore
from depthcast.live.keys import KeyRing, make_key
from tests.support.command import command
from tests.support.moto import S3Server, s3_server

NOW = 1_758_742_200_000_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """moto's server, which is a Secrets Manager too."""
    with s3_server(tmp_path_factory.mktemp("moto") / "log") as server:
        yield server


@pytest.fixture(autouse=True)
def account(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if in an AWS account, as a container is, whatever the outside has set."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "DEPTHCAST_")):
            monkeypatch.delenv(name)
    for name, value in server.variables.items():
        if name != "AWS_DEFAULT_REGION":
            monkeypatch.setenv(name, value)


@pytest.fixture
def client() -> Any:
    return boto3.client("secretsmanager", region_name="us-east-1")


@pytest.fixture
def store(request: pytest.FixtureRequest) -> SecretsManagerKeyStore:
    return SecretsManagerKeyStore(f"depthcast/{request.node.name}")


def add(ring: KeyRing) -> KeyRing:
    return ring.with_keys([make_key("desk", ring.new_secret(os.urandom), now_ns=NOW)])


def test_no_secret_is_no_keys(store: SecretsManagerKeyStore) -> None:
    assert not store.read()


def test_changes_are_stored_and_seen_by_others(store: SecretsManagerKeyStore, client: Any) -> None:
    other = SecretsManagerKeyStore(store.secret_id)
    for count in range(1, 4):
        made = store.change(add)
        assert len(made) == count
        assert list(other.read()) == list(made)
    stored = client.get_secret_value(SecretId=store.secret_id, VersionStage="AWSCURRENT")["SecretString"]
    assert len(json.loads(stored)["keys"]) == 3
    assert store.read() is store.read()


def test_a_secret_made_without_a_value_is_filled(store: SecretsManagerKeyStore, client: Any) -> None:
    client.create_secret(Name=store.secret_id)
    assert not store.read()
    store.change(add)
    store.change(add)
    assert len(SecretsManagerKeyStore(store.secret_id).read()) == 2


def test_the_version_before_stays_for_going_back(store: SecretsManagerKeyStore, client: Any) -> None:
    first = store.change(add)
    store.change(add)
    before = client.get_secret_value(SecretId=store.secret_id, VersionStage="AWSPREVIOUS")["SecretString"]
    assert list(KeyRing.from_json(before)) == list(first)


def test_a_change_beside_another_is_made_again_on_what_is_there(store: SecretsManagerKeyStore) -> None:
    store.change(add)
    other = SecretsManagerKeyStore(store.secret_id)
    seen: list[int] = []

    def add_late(ring: KeyRing) -> KeyRing:
        seen.append(len(ring))
        if len(seen) == 1:
            other.change(add)
        return add(ring)

    assert len(store.change(add_late)) == 3
    assert seen == [1, 2]
    assert len(other.read()) == 3


def test_the_first_change_beside_another_first_one_too(store: SecretsManagerKeyStore) -> None:
    other = SecretsManagerKeyStore(store.secret_id)
    seen: list[int] = []

    def add_late(ring: KeyRing) -> KeyRing:
        seen.append(len(ring))
        if len(seen) == 1:
            other.change(add)
        return add(ring)

    assert len(store.change(add_late)) == 2
    assert seen == [0, 1]


def test_many_at_once_lose_nothing(store: SecretsManagerKeyStore) -> None:
    store.change(add)
    threads = [
        threading.Thread(target=SecretsManagerKeyStore(store.secret_id).change, args=[add]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.read()) == 5


def test_who_never_gets_through_gives_up_and_stores_nothing(store: SecretsManagerKeyStore) -> None:
    other = SecretsManagerKeyStore(store.secret_id)

    def always_late(ring: KeyRing) -> KeyRing:
        other.change(add)
        return add(ring)

    with pytest.raises(KeyStoreError, match="others keep changing it; gave up after 10 attempts"):
        store.change(always_late)
    assert len(store.read()) == 10


def test_a_list_too_long_for_a_secret_is_refused(store: SecretsManagerKeyStore) -> None:
    def fill(ring: KeyRing) -> KeyRing:
        return KeyRing([make_key("x" * 64, f"db-{n:029}", now_ns=NOW) for n in range(500)])

    with pytest.raises(KeyStoreError, match=f"500 keys take .* bytes; a secret holds {MAX_SECRET_BYTES:,}"):
        store.change(fill)
    assert not store.read()


def test_a_secret_that_holds_something_else_is_refused(store: SecretsManagerKeyStore, client: Any) -> None:
    client.create_secret(Name=store.secret_id, SecretString="hunter2")
    with pytest.raises(KeyStoreError, match="not a list of keys") as caught:
        store.read()
    assert "hunter2" not in str(caught.value)
    client.put_secret_value(SecretId=store.secret_id, SecretBinary=b"\0")
    with pytest.raises(KeyStoreError, match="holds bytes, not text"):
        store.change(add)


def test_a_service_out_of_reach_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(KeyStoreError, match=r"^secret a/b: Could not connect"):
            SecretsManagerKeyStore("a/b").read()


def test_no_region_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(KeyStoreError, match="You must specify a region"):
        SecretsManagerKeyStore("a/b").read()


def test_the_command_keeps_keys_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHCAST_KEYS_STORE", "secretsmanager")
    monkeypatch.setenv("DEPTHCAST_KEYS_SECRET_ID", "depthcast/by-command")
    made = command("keys", "create", "--name", "desk-1")
    assert made.code == 0
    assert "kept in secret depthcast/by-command;" in made.err
    assert command("keys", "revoke", made.out.strip()[-5:]).code == 0
    [row] = json.loads(command("keys", "list", "--json").out)
    assert (row["name"], row["state"]) == ("desk-1", "revoked")
