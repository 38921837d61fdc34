"""Answers about books: their bytes, their headers, their entity tags.

What a book looks like is encoded once a version and kept, in a bounded store, for all who ask the same. The
feed's state is put in anew each time: it changes by itself.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from litestar.types import Receive, Scope, Send

from depthcast.api import etags
from depthcast.api.payloads import FeedInfo
from depthcast.api.selection import Books, book_header, book_info, feed_info
from depthcast.live.replica import Replica

__all__ = [
    "DBN",
    "JSON",
    "Answer",
    "Bodies",
    "Encoded",
    "book_response",
    "data_headers",
    "encode",
    "response",
    "tagged_response",
]

JSON: Final = "application/json"
DBN: Final = "application/octet-stream"
MAX_BODIES: Final = 4_096
MAX_BODY_BYTES: Final = 32 << 20
"""Of all bodies kept."""
LARGE_BYTES: Final = 1 << 20
"""A larger body is not kept."""

_LIVE: Final = b',"feed":{"state":"live","stale":false,"stale_since":null,"age_ms":0}}'
_CACHING: Final = "private, no-cache"
encode: Final = msgspec.json.Encoder().encode


class Answer:
    """A response as Litestar takes it: an ASGI application that is ready to be sent.

    Args:
        body: its content.
        media_type: the content's type.
        status_code: 304 and 204 have no content, and no length.
        headers: further headers; names are written as HTTP/1.1 likes, in any case.
    """

    __slots__ = ("_body", "_headers", "_status")

    def __init__(
        self,
        body: bytes = b"",
        *,
        media_type: str = JSON,
        status_code: int = 200,
        headers: dict[str, str] | None = None,
    ) -> None:
        self._body = body
        self._status = status_code
        self._headers: list[tuple[bytes, bytes]] = []
        self.add(headers or {})
        if status_code not in (204, 304):
            self._headers.append((b"content-type", media_type.encode()))
            self._headers.append((b"content-length", b"%d" % len(body)))

    def add(self, headers: Mapping[str, str]) -> None:
        """Further headers."""
        self._headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """The ASGI application."""
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})


class Encoded(NamedTuple):
    """A body but for the feed's state, and what stands for it in entity tags."""

    head: bytes
    tag: str


class Bodies:
    """Encoded bodies by what was asked, each valid for one state of the books. The least recent go first."""

    def __init__(self, capacity: int = MAX_BODIES, max_bytes: int = MAX_BODY_BYTES) -> None:
        self.hits = self.misses = 0
        self.bytes = 0
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._kept: OrderedDict[tuple[object, ...], tuple[object, Encoded]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, books: Books, what: tuple[object, ...], make: Callable[[], Any]) -> Encoded:
        """The body of what ``make`` gives, a Struct without ``feed``, encoded anew only if the books changed.

        Args:
            books: the books it is of.
            what: everything else that it depends on.
            make: called if it is not kept.
        """
        key = (id(books.replica), books.instrument_id, books.publisher_id, *what)
        state = _state(books)
        kept = self._kept.get(key)
        if kept is not None and kept[0] == state:
            self.hits += 1
            self._kept.move_to_end(key)
            return kept[1]
        self.misses += 1
        head = encode(make())[:-1]
        ts_event, sequence = max(status.version for status in books.statuses)
        encoded = Encoded(head, f"{ts_event:x}.{sequence:x}.{_content_tag(books, head)}")
        self._keep(key, state, encoded)
        return encoded

    def _keep(self, key: tuple[object, ...], state: object, encoded: Encoded) -> None:
        before = self._kept.pop(key, None)
        if before is not None:
            self.bytes -= len(before[1].head)
        if len(encoded.head) > LARGE_BYTES:
            return
        self._kept[key] = (state, encoded)
        self.bytes += len(encoded.head)
        while len(self._kept) > self._capacity or self.bytes > self._max_bytes:
            _, (_, dropped) = self._kept.popitem(last=False)
            self.bytes -= len(dropped.head)


def book_response(books: Books, encoded: Encoded, now_ns: int, if_none_match: str | None) -> Answer:
    """The answer about books, or 304 where the client has it."""
    replica = books.replica
    feed = feed_info(replica, now_ns)
    tag = _tag(encoded.tag, replica, feed)
    headers = data_headers(feed, complete=books.complete, suspect=books.suspect, etag=tag)
    if if_none_match is not None and etags.matches(if_none_match, tag):
        return Answer(status_code=304, headers=headers)
    tail = b',"feed":' + encode(feed) + b"}" if feed.stale else _LIVE
    return Answer(body=encoded.head + tail, media_type=JSON, headers=headers)


def data_headers(feed: FeedInfo, *, complete: bool, suspect: bool, etag: str | None = None) -> dict[str, str]:
    """The headers of every answer with data, also of one that has no body."""
    headers = {
        "Cache-Control": _CACHING,
        "Depthcast-Book": book_header(feed, complete=complete, suspect=suspect),
    }
    if etag is not None:
        headers["ETag"] = etag
    return headers


def response(payload: Any, *, headers: dict[str, str] | None = None) -> Answer:
    """A payload that is encoded for this answer alone."""
    return Answer(encode(payload), headers={"Cache-Control": _CACHING, **(headers or {})})


def tagged_response(
    payload: Any, if_none_match: str | None, *, headers: dict[str, str] | None = None
) -> Answer:
    """The same with a tag of its content, or 304 where the client has it."""
    body = encode(payload)
    tag = etags.weak(etags.of_content(body))
    headers = {"Cache-Control": _CACHING, **(headers or {}), "ETag": tag}
    if if_none_match is not None and etags.matches(if_none_match, tag):
        return Answer(status_code=304, headers=headers)
    return Answer(body, headers=headers)


def _content_tag(books: Books, head: bytes) -> str:
    """What stands for a body, but for the times of the last record: of a book that was filled from a snapshot
    they are other than of the same book that was followed."""
    rest = head.removeprefix(b'{"metadata":' + encode(book_info(books)))
    listing = books.listing
    named = (listing.name, listing.instrument_id, books.publisher_id, books.publishers)
    return etags.of_content(encode(named) + rest)


def _tag(content: str, replica: Replica, feed: FeedInfo) -> str:
    """Stale data is another representation than the same data when it was live: it must be told."""
    return etags.weak(content, replica.state.value if not feed.stale else f"stale.{feed.stale_since}")


def _state(books: Books) -> tuple[object, ...]:
    """Another one whenever the books are, in any respect that an answer shows."""
    replica = books.replica
    states = [
        (status.publisher_id, status.records, status.complete, status.suspect, status.phase)
        for status in books.statuses
    ]
    return (replica.generation, books.listing.symbol, tuple(books.publishers), *states)
