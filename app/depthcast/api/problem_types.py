"""The kinds of problem the API tells of. docs/problems.md lists them; a name is never changed."""

from typing import Final

from msgspec import Struct

__all__ = ["PROBLEMS", "TYPES_PATH", "ProblemType"]

TYPES_PATH: Final = "/v1/problems/"


class ProblemType(Struct, frozen=True):
    """A kind of problem.

    Attributes:
        name: the last part of the type; never changed.
        status: the HTTP status it comes with.
        title: what it is, the same every time.
        meaning: why it happens and what to do.
    """

    name: str
    status: int
    title: str
    meaning: str

    @property
    def uri(self) -> str:
        return TYPES_PATH + self.name


_TYPES: Final = (
    ProblemType(
        "malformed-request", 400, "The request is malformed",
        "The request is not well-formed HTTP, or its Host, Authorization or another header has not the "
        "form it must have. Send it differently; repeating it does not help.",
    ),
    ProblemType(
        "idempotency-key-missing", 400, "The request needs an Idempotency-Key",
        "What makes something new carries a header `Idempotency-Key`, a text of the client's own choice: the "
        "same request sent again with the same key gets the same answer, and makes nothing twice.",
    ),
    ProblemType(
        "key-required", 401, "A key is required",
        "The request carries no key, and anonymous reading is off. Send `Authorization: Bearer KEY`; the "
        "operator makes keys with `depthcast keys create --api`.",
    ),
    ProblemType(
        "key-invalid", 401, "The key is not accepted",
        "There is no such key, or the Authorization header is not `Bearer KEY`. Check that the key is "
        "complete.",
    ),
    ProblemType(
        "key-ended", 401, "The key has ended",
        "The key has expired or was revoked. Ask the operator for another.",
    ),
    ProblemType(
        "scope-missing", 403, "The key does not allow this",
        "The key is good, but lacks the scope that `scope` names. Ask the operator for a key that has it.",
    ),
    ProblemType(
        "origin-refused", 403, "Pages of this origin may not connect",
        "A browser opened a WebSocket for a page of another origin, which `api.cors_origins` does not "
        "name.",
    ),
    ProblemType(
        "not-found", 404, "There is nothing here",
        "No operation has this path. The reference at /v1/reference lists them all.",
    ),
    ProblemType(
        "unknown-instrument", 404, "There is no such instrument",
        "No feed has an instrument of this symbol or instrument id. GET /v1/instruments?search= searches "
        "for it.",
    ),
    ProblemType(
        "unknown-book", 404, "There is no such book",
        "The instrument is known, but no book of it: no order was seen yet, or none of this publisher.",
    ),
    ProblemType(
        "unknown-order", 404, "There is no such order",
        "No order of this id rests in the book: it was filled, cancelled, or never there.",
    ),
    ProblemType(
        "no-journal", 404, "The service keeps no past",
        "The service was not told where the journal is, so it cannot answer `at=` nor replay.",
    ),
    ProblemType(
        "time-not-kept", 404, "The journal does not have this time",
        "The time is before the journal begins, or after its last closed segment. `available_from` and "
        "`available_until` are the first and the last time (ts_recv, ns) that there is.",
    ),
    ProblemType(
        "unknown-export", 404, "There is no such export",
        "There is no export of this id that this key asked for: it was cancelled, has expired, or never was.",
    ),
    ProblemType(
        "method-not-allowed", 405, "The method is not allowed",
        "The path exists, the method does not. The Allow header lists those that do.",
    ),
    ProblemType(
        "not-acceptable", 406, "The answer is not to be had in this form",
        "The header Accept allows none of the forms that the operation has, or the server lacks the library "
        "for the one it names. Ask with `format=`.",
    ),
    ProblemType(
        "ambiguous-instrument", 409, "Several instruments have this name",
        "Several feeds have an instrument of this name. Ask for one of `candidates`, which are "
        "DATASET:SYMBOL.",
    ),
    ProblemType(
        "ambiguous-book", 409, "Several publishers have a book of this instrument",
        "The question is about one book. Ask again with `publisher=` and one of `publishers`.",
    ),
    ProblemType(
        "export-not-done", 409, "The export has no file",
        "The export is not done yet, or it failed or was cancelled. GET /v1/exports/{id} says which.",
    ),
    ProblemType(
        "content-too-large", 413, "The request's content is too large",
        "No operation needs so much content. The limit is at /v1/limits.",
    ),
    ProblemType(
        "answer-too-large", 413, "The answer would be too large",
        "So many orders are not written as JSON. Ask for fewer levels, or for `format=dbn`, which has the "
        "whole book.",
    ),
    ProblemType(
        "book-too-large", 413, "The book is too large for this channel",
        "The stream of orders follows books up to a number of orders. Ask for the channel `book`, which has "
        "all levels up to 500.",
    ),
    ProblemType(
        "uri-too-long", 414, "The address is too long",
        "No operation has such a long address. The limit is at /v1/limits.",
    ),
    ProblemType(
        "unsupported-media-type", 415, "The content's type is not supported",
        "The request carries content of a type that the operation does not take.",
    ),
    ProblemType(
        "range-not-satisfiable", 416, "The file has no such part",
        "The header Range asks for bytes beyond the file's end. Content-Range says how many it has.",
    ),
    ProblemType(
        "invalid-parameter", 422, "A parameter is not valid",
        "`errors` names each parameter and says what is wrong with it. Parameters that an operation does "
        "not know are errors too.",
    ),
    ProblemType(
        "idempotency-key-reused", 422, "The Idempotency-Key was used for another request",
        "A request with the same key, but another content, was answered before. Use a new key.",
    ),
    ProblemType(
        "too-many-exports", 429, "Too many exports",
        "So many exports of this client, or of all, wait or are being made that no more are taken. "
        "Retry-After says when to ask again.",
    ),
    ProblemType(
        "rate-limited", 429, "Too many requests",
        "The allowance of this key (or, without one, of this address) is used up. Retry-After says when "
        "the next request is taken; the RateLimit headers of every answer say how much is left.",
    ),
    ProblemType(
        "headers-too-large", 431, "The request's headers are too large",
        "The headers together are larger than the limit at /v1/limits.",
    ),
    ProblemType(
        "internal-error", 500, "The server failed",
        "A fault of the server. It is in its log under `request_id`; please report it.",
    ),
    ProblemType(
        "journal-damaged", 500, "A part of the past is damaged",
        "The segment of the journal that holds this time is damaged, or its file is gone. `detail` names it: "
        "please tell the operator, who may have a copy. Other times are answered.",
    ),
    ProblemType(
        "journal-away", 503, "The past cannot be read now",
        "The place where the journal is kept does not answer, or refuses; or the segment with this time is "
        "not there while later ones are: it may come yet, and `detail` says what is missing. Live data goes "
        "on. Retry-After says when to ask again.",
    ),
    ProblemType(
        "starting", 503, "The books are not filled yet",
        "The service has just started, or its gateway could not be reached since: it has no book that "
        "could be served. Retry-After says when to ask again.",
    ),
    ProblemType(
        "not-ready", 503, "The service takes no work now",
        "The service is starting, and has no books yet, or is draining, and is about to end.",
    ),
    ProblemType(
        "request-timeout", 408, "The request took too long to arrive",
        "A request must be sent in one go. The connection is closed.",
    ),
    ProblemType(
        "book-busy", 503, "The book is inside an event",
        "The venue's event has not ended yet, and has lasted unusually long. A book is served between "
        "events only. Ask again. `feed` says whether the feed is lost: then the event ends when it is back.",
    ),
    ProblemType(
        "history-unavailable", 503, "The history is not to be had now",
        "The database does not answer, or not in time. Live books are served all the same. Retry-After says "
        "when to ask again.",
    ),
    ProblemType(
        "overloaded", 503, "The service has all the work it takes",
        "The service is at one of its limits. Retry-After says when to ask again.",
    ),
)  # fmt: skip

PROBLEMS: Final[dict[str, ProblemType]] = {each.name: each for each in _TYPES}
"""All types, by name."""
