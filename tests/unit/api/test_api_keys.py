"""The API's keys: tokens that only their holder has, found by id, compared as hashes."""

import time
from pathlib import Path

import pytest

from depthcast.api.key_file import ApiKeyFile, ApiKeys
from depthcast.api.keys import ApiKey, ApiKeyRing, make_api_key, new_token, parse_token
from depthcast.errors import KeyStoreError

NS = 1_000_000_000
DAY_NS = 86_400 * NS


def made(token: str, name: str = "desk", **arguments: object) -> ApiKey:
    given = {"scopes": ("read",), "now_ns": 1_000 * NS, **arguments}
    return make_api_key(name, token, **given)  # type: ignore[arg-type]


def test_a_token_is_never_kept() -> None:
    token = new_token()
    document = ApiKeyRing([made(token)]).to_json(indent=2)
    assert token.encode() not in document
    assert token[13:].encode() not in document
    assert repr(made(token)).count(token) == 0


def test_tokens_are_unlike_and_have_an_id() -> None:
    tokens = {new_token() for _ in range(200)}
    assert len(tokens) == 200
    for token in tokens:
        assert len(token) == 56
        assert parse_token(token) == token[4:12]


@pytest.mark.parametrize(
    "text",
    ["", "dck_", "dck_abc", "db-aaaaaaaaa", "dck_aaaaaaaaa_x", "dck_aaaaaaaa-x", "dck_äaaaaaaa_x", "x" * 200],
)
def test_what_is_no_token_finds_nothing(text: str) -> None:
    assert ApiKeyRing([made(new_token())]).find(text) is None


def test_the_whole_token_has_to_be_right() -> None:
    token, other = new_token(), new_token()
    ring = ApiKeyRing([made(token)])
    assert ring.find(token) is not None
    assert ring.find(token[:-1]) is None
    assert ring.find(token + "A") is None
    assert ring.find(token[:13] + other[13:]) is None
    assert ring.find(other) is None


def test_keys_end() -> None:
    key = made(new_token(), expires_ns=2_000 * NS)
    assert key.ended(1_999 * NS) is None
    assert key.ended(2_000 * NS) == "expired"
    [revoked] = ApiKeyRing([key]).revoke(key, 1_500 * NS)
    assert revoked.ended(1_500 * NS) == "revoked"


def test_keys_that_ended_long_ago_are_dropped() -> None:
    old, new = made(new_token(), expires_ns=2_000 * NS), made(new_token())
    ring = ApiKeyRing([old, new])
    assert list(ring.without_ended(2_000 * NS + 89 * DAY_NS)) == [old, new]
    assert list(ring.without_ended(2_000 * NS + 91 * DAY_NS)) == [new]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scopes": ()}, "at least one scope"),
        ({"scopes": ("read", "write")}, "no scope 'write'"),
        ({"name": ""}, "1 to 64"),
        ({"name": "a\nb"}, "printable"),
        ({"token": "no token"}, "not a token"),
    ],
)
def test_a_key_that_cannot_be(changes: dict[str, object], said: str) -> None:
    arguments = {"token": new_token(), **changes}
    with pytest.raises(ValueError, match=said):
        made(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"{", "not a list of API keys"),
        (b'{"version":2,"keys":[]}', "format 2"),
        (b'{"version":1,"keys":[],"more":1}', "more"),
        (b'{"version":1,"keys":[{"id":"aaaaaaaa"}]}', "name"),
    ],
)
def test_a_document_that_is_none(document: bytes, said: str) -> None:
    with pytest.raises(KeyStoreError, match=said):
        ApiKeyRing.from_json(document)


def test_two_keys_of_one_id_are_an_error() -> None:
    key = made(new_token())
    with pytest.raises(KeyStoreError, match="two keys"):
        ApiKeyRing([key]).with_keys([key])


def test_a_change_is_seen_when_it_is_due(tmp_path: Path) -> None:
    file, now_s = ApiKeyFile(tmp_path / "keys.json"), 0.0
    keys = ApiKeys(file, reload_s=15.0, monotonic=lambda: now_s)
    token = new_token()
    file.change(lambda ring: ring.with_keys([made(token, now_ns=time.time_ns())]))
    now_s = 14.9
    assert keys.ring.find(token) is None
    now_s = 15.0
    assert keys.ring.find(token) is not None
    file.path.chmod(0o644)
    file.path.write_bytes(b"{}")
    now_s = 40.0
    assert keys.ring.find(token) is not None
    file.path.unlink()
    now_s = 60.0
    assert keys.ring.find(token) is None


def test_a_file_that_others_may_read_is_refused_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(ApiKeyRing().to_json())
    path.chmod(0o640)
    with pytest.raises(KeyStoreError, match="chmod 600"):
        ApiKeys(ApiKeyFile(path), reload_s=1.0)
