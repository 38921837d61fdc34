"""Parts of a file, as a download that was broken off asks for them: single byte ranges (RFC 9110, 14)."""

import re
from typing import Final, NamedTuple

from depthcast.api.headers import RawHeaders, header
from depthcast.api.problems import ApiProblem

__all__ = ["Part", "asked_part"]

_SINGLE: Final = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.ASCII | re.IGNORECASE)


class Part(NamedTuple):
    """The bytes [start, end) of a file of so many."""

    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def asked_part(headers: RawHeaders, size: int, tag: str) -> Part | None:
    """The part that a request is for; None for the whole.

    The whole is the answer to what is no range, to several ranges at once, and to an If-Range that names
    another file or a date: RFC 9110 allows it, and none of it is an error.

    Args:
        headers: the request's.
        size: the file's bytes.
        tag: its entity tag, a strong one.

    Raises:
        ApiProblem: the file has no byte of that range.
    """
    given, if_range = header(headers, b"range"), header(headers, b"if-range")
    found = None if given is None else _SINGLE.fullmatch(given.strip())
    if found is None or (if_range is not None and if_range.strip() != tag):
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise ApiProblem(
            "range-not-satisfiable",
            f"the file has {size:,} bytes, and none of {given!r}",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return Part(start, end, size)
