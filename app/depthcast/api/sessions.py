"""Sessions of browsers: what a cookie holds instead of the key, and the marks of forms.

A session is ``KEY_ID.EXPIRES.MAC``: it says whose key was shown, and until when that counts. The code at its
end is made with a secret that only the servers have, and with the key's stored hash, so that any process with
the same secret and keys knows it, nothing is kept of it, and it ends when the key does.
"""

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Callable
from typing import Final, NamedTuple

from depthcast.api.keys import ApiKey, ApiKeyRing

__all__ = ["MIN_SECRET", "Session", "Sessions", "cookie_value", "new_secret"]

MIN_SECRET: Final = 32
"""Characters of a secret, at least."""
FORM_S: Final = 3_600
"""How long a form may be left open before it is sent."""
MAX_COOKIES: Final = 8_192
"""Bytes of a Cookie header that are looked through."""

_NS: Final = 1_000_000_000
_SESSION: Final = re.compile(r"([a-zA-Z0-9]{8})\.([0-9]{1,11})\.([A-Za-z0-9_-]{43})")
_MARK: Final = re.compile(r"([0-9]{1,11})\.([A-Za-z0-9_-]{43})")
_NO_HASH: Final = "0" * 64


class Session(NamedTuple):
    """Who has signed in, and until when that counts (ns since the epoch)."""

    key: ApiKey
    ends_ns: int


class Sessions:
    """Makes sessions, and tells whose they are.

    Args:
        secret: of all processes that share sessions.
        lasts_s: how long a session counts.
        ring: the keys as they are now.
        clock: ns since the epoch.

    Raises:
        ValueError: the secret is too short.
    """

    def __init__(
        self, secret: str, *, lasts_s: float, ring: Callable[[], ApiKeyRing], clock: Callable[[], int]
    ) -> None:
        if len(secret) < MIN_SECRET:
            raise ValueError(f"a secret has at least {MIN_SECRET} characters")
        self.lasts_s = int(lasts_s)
        self._secret = secret.encode()
        self._ring = ring
        self._clock = clock

    def begin(self, key: ApiKey) -> str:
        """A session of a key, which must be good."""
        expires = str(self._clock() // _NS + self.lasts_s)
        return f"{key.id}.{expires}.{self._mac('session', key.id, expires, key.sha256)}"

    def find(self, text: str) -> Session | None:
        """Whose session it is; None for what is none, has run out, or is of a key that has ended.

        Takes as long for a wrong one as for one whose key is not known.
        """
        parts = _SESSION.fullmatch(text)
        if parts is None:
            return None
        key_id, expires, mac = parts.groups()
        key = self._ring().by_id(key_id)
        wanted = self._mac("session", key_id, expires, _NO_HASH if key is None else key.sha256)
        same = hmac.compare_digest(wanted, mac)
        now_ns = self._clock()
        ends_ns = int(expires) * _NS
        if key is None or not same or ends_ns <= now_ns or key.ended(now_ns) is not None:
            return None
        return Session(key, ends_ns)

    def mark(self, browser: str) -> str:
        """What a form carries to show that this server made it, a short while ago, for this browser.

        Args:
            browser: what only that browser has: the value of a cookie.
        """
        expires = str(self._clock() // _NS + FORM_S)
        return f"{expires}.{self._mac('form', browser, expires)}"

    def is_marked(self, mark: str, browser: str) -> bool:
        """Whether a form has the mark of this browser, and is not too old."""
        parts = _MARK.fullmatch(mark)
        if parts is None or not browser:
            return False
        expires, mac = parts.groups()
        same = hmac.compare_digest(self._mac("form", browser, expires), mac)
        return same and int(expires) * _NS > self._clock()

    def _mac(self, *parts: str) -> str:
        """Of parts, none of which has a NUL in it."""
        code = hmac.digest(self._secret, "\0".join(parts).encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(code).decode().rstrip("=")


def new_secret() -> str:
    """A secret for `Sessions`; also any other value that nobody can guess."""
    return os.urandom(32).hex()


def cookie_value(header: bytes, name: str) -> str:
    """A cookie's value in a Cookie header; empty if it is not there, or there are several.

    Of several, one may have been put there by somebody else: none is believed.
    """
    if len(header) > MAX_COOKIES:
        return ""
    wanted = name.encode() + b"="
    found = [part.strip() for part in header.split(b";")]
    values = [part[len(wanted) :] for part in found if part.startswith(wanted)]
    return values[0].decode("latin-1") if len(values) == 1 else ""
