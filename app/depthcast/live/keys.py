"""The keys that clients authenticate with, as a gateway knows them.

The protocol proves a key by hashing it with a challenge, so a gateway must know the key itself: what is
stored is the secret. `depthcast.live.key_stores` says where, and how it is guarded.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from depthcast.errors import AuthenticationError, KeyStoreError
from depthcast.live.control import ErrorCode
from depthcast.live.cram import bucket_of, split_answer, verify

__all__ = ["DEFAULT_MAX_SESSIONS", "Key", "KeyRing", "check_secret", "make_key", "new_secret"]

SECRET_LENGTH: Final = 32
DEFAULT_MAX_SESSIONS: Final = 10
MAX_SESSIONS: Final = 100_000
MAX_NAME: Final = 64
SECRET_BYTES: Final = 32
"""How many random bytes a secret is made of."""
KEPT_AFTER_END: Final = dt.timedelta(days=90)
"""A key that was revoked or ran out so long ago is dropped when another is made."""

_PREFIX: Final = "db-"
_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORMAT: Final = 1
_NS: Final = 1_000_000_000
_REFUSED: Final = "User authentication failed."

_Time = Annotated[dt.datetime, Meta(tz=True)]


class Key(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A key and what it allows. Its ``repr`` does not show the secret.

    Attributes:
        name: who has it; several keys may have one name (while one replaces the other).
        secret: 32 ASCII characters, ``db-...``.
        created: when it was made, UTC.
        max_sessions: sessions at a time.
        expires: from when on it is not accepted; None for never.
        revoked: when it was revoked; None if it was not.
        datasets: what it may subscribe to; None for all.
    """

    name: str
    secret: str
    created: _Time
    max_sessions: int = DEFAULT_MAX_SESSIONS
    expires: _Time | None = None
    revoked: _Time | None = None
    datasets: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_secret(self.secret)
        if not 1 <= len(self.name) <= MAX_NAME or not self.name.isprintable():
            raise ValueError(f"a key's name has 1 to {MAX_NAME} printable characters")
        if not 1 <= self.max_sessions <= MAX_SESSIONS:
            raise ValueError(f"a key allows 1 to {MAX_SESSIONS:,} sessions, not {self.max_sessions:,}")
        if self.datasets is not None and not all(0 < len(dataset) < 16 for dataset in self.datasets or ("",)):
            raise ValueError("a key's datasets are codes such as GLBX.MDP3; for all, leave them out")

    def __repr__(self) -> str:
        return f"Key({self.name!r}, ...{self.id})"

    @property
    def id(self) -> str:
        """The bucket id: the secret's last five characters, all that is ever shown of it."""
        return bucket_of(self.secret)

    def ended(self, now_ns: int) -> str | None:
        """Why it is not accepted any more: ``"revoked"`` or ``"expired"``; None while it is."""
        if self.revoked is not None and _ns(self.revoked) <= now_ns:
            return "revoked"
        if self.expires is not None and _ns(self.expires) <= now_ns:
            return "expired"
        return None


class _Document(Struct, forbid_unknown_fields=True):
    version: int
    keys: list[Key]


class KeyRing:
    """An unchanging set of keys, found by bucket id. Falsy when empty.

    Raises:
        KeyStoreError: two keys with one bucket id.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys: dict[str, Key] = {}
        for key in keys:
            if key.id in self._keys:
                raise KeyStoreError(
                    f"two keys end in {key.id}: a gateway finds a key by these five characters"
                )
            self._keys[key.id] = key

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys.values())

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, bucket: str) -> Key | None:
        """The key with that bucket id."""
        return self._keys.get(bucket)

    def authenticate(self, challenge: str, answer: str, *, dataset: str, now_ns: int) -> Key:
        """The key that an ``auth`` field was made with.

        Takes as long whether or not there is a key of that bucket id; what is wrong with a key is said only
        to who has it.

        Raises:
            ProtocolError: ``answer`` has not the form of one.
            AuthenticationError: no such key, or a wrong response (code 1); revoked or expired (code 2); not
                allowed this dataset (code 1).
        """
        key = self.get(split_answer(answer)[1])
        if not verify(challenge, answer, None if key is None else key.secret) or key is None:
            raise AuthenticationError(_REFUSED, code=ErrorCode.AUTH_FAILED)
        self.check(key, dataset=dataset, now_ns=now_ns)
        return key

    def check(self, key: Key, *, dataset: str, now_ns: int) -> None:
        """Whether a session that authenticated with ``key`` may go on: it may have been revoked since.

        Raises:
            AuthenticationError: the key is not in the ring any more, revoked or expired (code 2), or not
                allowed this dataset (code 1).
        """
        known = self.get(key.id)
        if known is None or known.secret != key.secret:
            raise AuthenticationError("The key was removed.", code=ErrorCode.API_KEY_DEACTIVATED)
        ended = known.ended(now_ns)
        if ended is not None:
            raise AuthenticationError(f"The key is {ended}.", code=ErrorCode.API_KEY_DEACTIVATED)
        if known.datasets is not None and dataset not in known.datasets:
            raise AuthenticationError(f"The key is not for {dataset}.", code=ErrorCode.AUTH_FAILED)

    def with_keys(self, keys: Iterable[Key]) -> "KeyRing":
        """This ring and these keys. Raises KeyStoreError where a bucket id is taken."""
        return KeyRing([*self, *keys])

    def revoke(self, key: Key, now_ns: int) -> "KeyRing":
        """This ring with one of its keys revoked."""
        revoked = msgspec.structs.replace(key, revoked=_time(now_ns))
        return KeyRing(revoked if each.id == key.id else each for each in self)

    def without_ended(self, now_ns: int) -> "KeyRing":
        """This ring without the keys that ended more than `KEPT_AFTER_END` ago."""
        then = now_ns - int(KEPT_AFTER_END.total_seconds()) * _NS
        return KeyRing(key for key in self if key.ended(then) is None)

    def named(self, bucket_or_name: str) -> list[Key]:
        """The keys of that bucket id or name."""
        return [key for key in self if bucket_or_name in (key.id, key.name)]

    def new_secret(self, random: Callable[[int], bytes]) -> str:
        """A secret whose bucket id no key of the ring has; ``random`` gives that many unpredictable bytes."""
        while True:
            secret = new_secret(random(SECRET_BYTES))
            if bucket_of(secret) not in self._keys:
                return secret

    @classmethod
    def from_json(cls, document: bytes | str) -> "KeyRing":
        """Raises KeyStoreError saying what is wrong and where (never showing a secret)."""
        try:
            read = msgspec.json.decode(document, type=_Document)
        except msgspec.DecodeError as error:
            raise KeyStoreError(f"not a list of keys: {error}") from None
        if read.version != _FORMAT:
            raise KeyStoreError(f"keys of format {read.version}; this Depthcast knows {_FORMAT}")
        return cls(read.keys)

    def to_json(self, *, indent: int = 0) -> bytes:
        """The document to store, secrets and all."""
        encoded = msgspec.json.encode(_Document(_FORMAT, list(self)))
        return msgspec.json.format(encoded, indent=indent) if indent else encoded


def make_key(
    name: str,
    secret: str,
    *,
    now_ns: int,
    max_sessions: int = DEFAULT_MAX_SESSIONS,
    expires_ns: int | None = None,
    datasets: tuple[str, ...] | None = None,
) -> Key:
    """A key made now, times in whole seconds. Raises ValueError saying what is wrong with a value."""
    return Key(
        name=name,
        secret=secret,
        created=_time(now_ns),
        max_sessions=max_sessions,
        expires=None if expires_ns is None else _time(expires_ns),
        datasets=datasets,
    )


def new_secret(random: bytes) -> str:
    """``db-`` and 29 letters and digits, from 32 or more unpredictable bytes (172 bits of them count).

    Raises:
        ValueError: fewer bytes.
    """
    if len(random) < SECRET_BYTES:
        raise ValueError(f"a secret takes {SECRET_BYTES} random bytes, got {len(random)}")
    number = int.from_bytes(random)
    letters = []
    for _ in range(SECRET_LENGTH - len(_PREFIX)):
        number, letter = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[letter])
    return _PREFIX + "".join(letters)


def check_secret(secret: str) -> None:
    """Raises ValueError, not showing it, where official clients would not take a key."""
    if len(secret) != SECRET_LENGTH:
        raise ValueError(f"a key has {SECRET_LENGTH} characters, this one {len(secret)}")
    if not all("!" <= letter <= "~" and letter != "|" for letter in secret):
        raise ValueError("a key is of printable ASCII without blanks and |")


def _ns(time: dt.datetime) -> int:
    return int(time.timestamp()) * _NS


def _time(ns: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ns // _NS, tz=dt.UTC)
