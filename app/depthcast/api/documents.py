"""Documents that stay the same while the process runs: encoded, compressed and tagged once."""

import gzip
from dataclasses import dataclass
from typing import Any

from litestar.connection import Request

from depthcast.api import etags
from depthcast.api.answers import Answer
from depthcast.api.headers import header

__all__ = ["Document", "takes_gzip"]


@dataclass(frozen=True, slots=True)
class Document:
    """A document.

    Attributes:
        body, compressed: its bytes, and the same in gzip.
        media_type: its type, with the charset where it has one.
        policy: a content security policy of its own; None for the API's, under which a page shows nothing.
    """

    body: bytes
    compressed: bytes
    media_type: str
    tag: str
    policy: str | None = None

    @classmethod
    def of(cls, body: bytes, media_type: str, *, policy: str | None = None) -> "Document":
        # No time in gzip's header: equal documents, equal bytes.
        return cls(body, gzip.compress(body, 6, mtime=0), media_type, etags.of_content(body), policy)

    def response(self, request: Request[Any, Any, Any], *, caching: str = "public, max-age=300") -> Answer:
        """The answer: compressed where the client takes that, 304 where it has it."""
        headers = {
            "Cache-Control": caching,
            "ETag": etags.weak(self.tag),
            "Vary": "Accept-Encoding",
        }
        if self.policy is not None:
            headers["Content-Security-Policy"] = self.policy
        given = header(request.scope["headers"], b"if-none-match")
        if given is not None and etags.matches(given, headers["ETag"]):
            return Answer(status_code=304, headers=headers)
        body = self.body
        if takes_gzip(header(request.scope["headers"], b"accept-encoding") or ""):
            headers["Content-Encoding"] = "gzip"
            body = self.compressed
        return Answer(body, media_type=self.media_type, headers=headers)


def takes_gzip(accept_encoding: str) -> bool:
    """Whether a client that sends this Accept-Encoding takes gzip."""
    for each in accept_encoding.lower().split(","):
        coding, _, weight = each.strip().partition(";")
        if coding.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
