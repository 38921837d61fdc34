"""The API's keys: who may read, with which scopes, until when.

A key is a token of 256 random bits, sent as ``Authorization: Bearer``. Only its SHA-256 is kept: of a random
token that is as good as a slow hash of a password, and it is checked for every request.
"""

import base64
import datetime as dt
import hashlib
import hmac
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from depthcast.errors import KeyStoreError

__all__ = [
    "SCOPES",
    "ApiKey",
    "ApiKeyRing",
    "make_api_key",
    "new_token",
    "parse_token",
]

SCOPES: Final = ("read", "replay", "admin")
"""``read``: live data. ``replay``: the past. ``admin``: everything, the service's own state included."""
MAX_NAME: Final = 64
TOKEN_BYTES: Final = 32
MAX_TOKEN: Final = 128
"""Characters. What is longer is no token of ours, and is not hashed."""
KEPT_AFTER_END: Final = dt.timedelta(days=90)

_PREFIX: Final = "dck_"
_ID_LENGTH: Final = 8
_FORMAT: Final = 1
_NS: Final = 1_000_000_000
_Time = Annotated[dt.datetime, Meta(tz=True)]


class ApiKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A key as it is kept.

    Attributes:
        id: eight characters, the part of the token that may be shown.
        name: who has it.
        sha256: of the token, in hexadecimal.
        scopes: what it allows, of `SCOPES`.
        created: when it was made, UTC.
        expires: from when on it is not accepted; None for never.
        revoked: when it was revoked; None if it was not.
    """

    id: str
    name: str
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    scopes: tuple[str, ...]
    created: _Time
    expires: _Time | None = None
    revoked: _Time | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= MAX_NAME or not self.name.isprintable():
            raise ValueError(f"a key's name has 1 to {MAX_NAME} printable characters")
        if not self.scopes:
            raise ValueError(f"a key has at least one scope of {', '.join(SCOPES)}")
        for scope in self.scopes:
            if scope not in SCOPES:
                raise ValueError(f"no scope {scope!r}; there are {', '.join(SCOPES)}")
        if len(self.id) != _ID_LENGTH or not (self.id.isascii() and self.id.isalnum()):
            raise ValueError(f"a key's id has {_ID_LENGTH} letters and digits")

    def ended(self, now_ns: int) -> str | None:
        """Why it is not accepted any more: ``"revoked"`` or ``"expired"``; None while it is."""
        if self.revoked is not None and _ns(self.revoked) <= now_ns:
            return "revoked"
        if self.expires is not None and _ns(self.expires) <= now_ns:
            return "expired"
        return None


class _Document(Struct, forbid_unknown_fields=True):
    version: int
    keys: list[ApiKey]


class ApiKeyRing:
    """An unchanging set of API keys, found by id. Falsy when empty.

    Raises:
        KeyStoreError: two keys with one id.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[ApiKey] = ()) -> None:
        self._keys: dict[str, ApiKey] = {}
        for key in keys:
            if key.id in self._keys:
                raise KeyStoreError(f"two keys have the id {key.id}")
            self._keys[key.id] = key

    def __iter__(self) -> Iterator[ApiKey]:
        return iter(self._keys.values())

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, token: str) -> ApiKey | None:
        """The key that a token is, whether or not it has ended; None for what is no key.

        Takes as long for a wrong token as for one whose id is not known.
        """
        key_id = parse_token(token)
        key = None if key_id is None else self._keys.get(key_id)
        digest = _digest(token[:MAX_TOKEN])
        same = hmac.compare_digest(digest, key.sha256 if key is not None else "0" * 64)
        return key if same else None

    def by_id(self, key_id: str) -> ApiKey | None:
        """The key of that id, whether or not it has ended."""
        return self._keys.get(key_id)

    def ended(self, key_id: str, now_ns: int) -> str | None:
        """Why the key of that id is not accepted: ``"removed"``, or as `ApiKey.ended`; None while it is."""
        key = self._keys.get(key_id)
        return "removed" if key is None else key.ended(now_ns)

    def with_keys(self, keys: Iterable[ApiKey]) -> "ApiKeyRing":
        """This ring and these keys. Raises KeyStoreError where an id is taken."""
        return ApiKeyRing([*self, *keys])

    def revoke(self, key: ApiKey, now_ns: int) -> "ApiKeyRing":
        """This ring with one of its keys revoked."""
        revoked = msgspec.structs.replace(key, revoked=_time(now_ns))
        return ApiKeyRing(revoked if each.id == key.id else each for each in self)

    def without_ended(self, now_ns: int) -> "ApiKeyRing":
        """This ring without the keys that ended more than `KEPT_AFTER_END` ago."""
        then = now_ns - int(KEPT_AFTER_END.total_seconds()) * _NS
        return ApiKeyRing(key for key in self if key.ended(then) is None)

    def named(self, id_or_name: str) -> list[ApiKey]:
        """The keys of that id or name."""
        return [key for key in self if id_or_name in (key.id, key.name)]

    @classmethod
    def from_json(cls, document: bytes | str) -> "ApiKeyRing":
        """Raises KeyStoreError saying what is wrong and where."""
        try:
            read = msgspec.json.decode(document, type=_Document)
        except msgspec.DecodeError as error:
            raise KeyStoreError(f"not a list of API keys: {error}") from None
        if read.version != _FORMAT:
            raise KeyStoreError(f"API keys of format {read.version}; this Depthcast knows {_FORMAT}")
        return cls(read.keys)

    def to_json(self, *, indent: int = 0) -> bytes:
        """The document to store. It gives no token away."""
        encoded = msgspec.json.encode(_Document(_FORMAT, list(self)))
        return msgspec.json.format(encoded, indent=indent) if indent else encoded


def new_token(random: Callable[[int], bytes] = os.urandom) -> str:
    """A token: ``dck_``, eight characters that are its id, ``_`` and 43 characters of 256 random bits."""
    key_id = base64.b32encode(random(5)).decode().lower()
    secret = base64.urlsafe_b64encode(random(TOKEN_BYTES)).decode().rstrip("=")
    return f"{_PREFIX}{key_id}_{secret}"


def parse_token(token: str) -> str | None:
    """A token's id, None where it is none."""
    end = len(_PREFIX) + _ID_LENGTH
    if len(token) > MAX_TOKEN or not token.isascii() or not token.startswith(_PREFIX):
        return None
    return token[len(_PREFIX) : end] if token[end : end + 1] == "_" else None


def make_api_key(
    name: str,
    token: str,
    *,
    scopes: Iterable[str],
    now_ns: int,
    expires_ns: int | None = None,
) -> ApiKey:
    """A key made now, times in whole seconds. Raises ValueError saying what is wrong with a value."""
    key_id = parse_token(token)
    if key_id is None:
        raise ValueError("not a token of the API")
    return ApiKey(
        id=key_id,
        name=name,
        sha256=_digest(token),
        scopes=tuple(dict.fromkeys(scopes)),
        created=_time(now_ns),
        expires=None if expires_ns is None else _time(expires_ns),
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _ns(time: dt.datetime) -> int:
    return int(time.timestamp()) * _NS


def _time(ns: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ns // _NS, tz=dt.UTC)
