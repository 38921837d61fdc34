"""How a peer proves that it has a key: challenge and response, without sending the key.

The response is the SHA-256, in lower-case hex, of ``challenge|key``, then ``-`` and the key's last five
characters: its bucket id, sent in clear, by which the gateway finds the key.
"""

import hashlib
import hmac
from typing import Final

from depthcast.errors import ProtocolError

__all__ = [
    "BUCKET_LENGTH",
    "CHALLENGE_BYTES",
    "bucket_of",
    "new_challenge",
    "response",
    "split_answer",
    "verify",
]

BUCKET_LENGTH: Final = 5
CHALLENGE_BYTES: Final = 16
"""How many random bytes a challenge is made of."""

_DIGEST_LENGTH: Final = 64
# What an answer is held to when its bucket id names no key: 32 characters, as a key has.
_NO_KEY: Final = "\0" * 32


def new_challenge(random: bytes) -> str:
    """A challenge of 32 characters from 16 or more unpredictable bytes; one a connection.

    Raises:
        ValueError: fewer bytes.
    """
    if len(random) < CHALLENGE_BYTES:
        raise ValueError(f"a challenge takes {CHALLENGE_BYTES} random bytes, got {len(random)}")
    return random[:CHALLENGE_BYTES].hex()


def bucket_of(key: str) -> str:
    """A key's bucket id, all of it that may be shown or logged."""
    return key[-BUCKET_LENGTH:]


def response(challenge: str, key: str) -> str:
    """What the ``auth`` field carries: ``hex64-bucket``."""
    return f"{_digest(challenge, key)}-{bucket_of(key)}"


def split_answer(answer: str) -> tuple[str, str]:
    """An ``auth`` field as (digest, bucket id).

    The bucket id of a key that is too short to be one is shorter too: it is found to be nobody's later.

    Raises:
        ProtocolError: not 64 hex digits, ``-`` and one to five characters.
    """
    digest, dash, bucket = answer.partition("-")
    good_digest = len(digest) == _DIGEST_LENGTH and all(letter in "0123456789abcdef" for letter in digest)
    if not (good_digest and dash and 1 <= len(bucket) <= BUCKET_LENGTH):
        raise ProtocolError("auth: expected 64 hex digits, - and the last five characters of the key")
    return digest, bucket


def verify(challenge: str, answer: str, key: str | None) -> bool:
    """Whether ``answer`` was made with ``key``; the time it takes says nothing.

    ``key`` None (the bucket id names none) takes as long and is always False.
    """
    expected = response(challenge, _NO_KEY if key is None else key)
    same = hmac.compare_digest(expected.encode(), answer.encode())
    return same and key is not None


def _digest(challenge: str, key: str) -> str:
    return hashlib.sha256(f"{challenge}|{key}".encode()).hexdigest()
