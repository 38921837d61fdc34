"""Weak entity tags (RFC 9110), and what a client's If-None-Match says of one."""

from hashlib import blake2b

__all__ = ["matches", "of_content", "weak"]


def weak(*parts: object) -> str:
    """A weak tag of these parts, in which nothing but letters, digits and ``._-`` occurs."""
    return 'W/"' + ".".join(map(str, parts)) + '"'


def of_content(content: bytes) -> str:
    """16 hexadecimal digits that stand for a content."""
    return blake2b(content, digest_size=8).hexdigest()


def matches(if_none_match: str, tag: str) -> bool:
    """Whether a client that sent ``if_none_match`` has what ``tag`` stands for, compared weakly."""
    opaque = tag.removeprefix("W/")
    return any(
        each == "*" or each.removeprefix("W/") == opaque
        for each in (part.strip() for part in if_none_match.split(","))
    )
