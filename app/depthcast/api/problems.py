"""Errors as the API tells them: problem documents (RFC 9457).

A problem's ``type`` is stable; docs/problems.md lists them all. A type is a path of this very API, which
answers it with what the problem means.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar.exceptions import HTTPException, ValidationException
from msgspec import UNSET, Struct, UnsetType

from depthcast.api.payloads import FeedInfo
from depthcast.api.problem_types import PROBLEMS
from depthcast.errors import (
    AmbiguousBookError,
    AmbiguousInstrumentError,
    BookError,
    DepthcastError,
    UnknownInstrumentError,
    UnknownOrderError,
)

__all__ = [
    "MEDIA_TYPE",
    "ApiProblem",
    "FieldError",
    "Problem",
    "as_problem",
    "document",
    "invalid",
    "invalid_fields",
]

MEDIA_TYPE: Final = "application/problem+json"


class FieldError(Struct, frozen=True, omit_defaults=True):
    """What is wrong with one field of a request.

    ``where`` is ``query``, ``path`` or ``header`` (``in`` in the document).
    """

    field: str
    message: str
    where: str | None = msgspec.field(default=None, name="in")


class Problem(Struct, frozen=True, omit_defaults=True):
    """A problem document.

    ``errors`` names the fields of an invalid request; ``publishers`` and ``candidates`` what an ambiguous one
    could mean; ``scope`` what a key lacks; ``feed`` the state of the feed of a book that cannot be shown now;
    ``available_from`` and ``available_until`` the first and the last time (ts_recv, ns) of what is kept.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[FieldError] | UnsetType = UNSET
    publishers: list[int] | UnsetType = UNSET
    candidates: list[str] | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    feed: FeedInfo | UnsetType = UNSET
    available_from: str | UnsetType = UNSET
    available_until: str | UnsetType = UNSET


_BY_STATUS: Final = {
    400: "malformed-request",
    401: "key-required",
    403: "scope-missing",
    404: "not-found",
    405: "method-not-allowed",
    413: "content-too-large",
    414: "uri-too-long",
    415: "unsupported-media-type",
    422: "invalid-parameter",
    429: "rate-limited",
    431: "headers-too-large",
    503: "overloaded",
}
_MISSING: Final = re.compile(r"Missing required query parameter '(\w+)'")
_BOOK_ERRORS: Final[dict[type[BookError], str]] = {
    AmbiguousBookError: "ambiguous-book",
    UnknownOrderError: "unknown-order",
    UnknownInstrumentError: "unknown-instrument",
}


class ApiProblem(DepthcastError):  # noqa: N818 - what it is called on the wire
    """A problem to be told to a client.

    Args:
        name: the type's name, one of `PROBLEMS`.
        detail: what is wrong this time, and what to do about it.
        headers: headers that go with it.
        members: further members of the document, of those that `Problem` has.
    """

    def __init__(
        self,
        name: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.type = PROBLEMS[name]
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


def invalid(field: str, message: str, *, where: str = "query") -> ApiProblem:
    """The problem of one field that is not valid."""
    return invalid_fields([FieldError(field, message, where)])


def invalid_fields(errors: Sequence[FieldError]) -> ApiProblem:
    """The problem of fields that are not valid."""
    detail = "; ".join(f"{error.field}: {error.message}" for error in errors)
    return ApiProblem("invalid-parameter", detail, errors=list(errors))


def as_problem(error: Exception) -> ApiProblem:
    """What a client is told of an error. Anything unforeseen is an internal error, without its text."""
    if isinstance(error, ApiProblem):
        return error
    if isinstance(error, BookError):
        return _of_books(error)
    if isinstance(error, ValidationException):
        return _validation(error)
    if isinstance(error, HTTPException) and error.status_code in _BY_STATUS:
        return _of_library(error)
    return ApiProblem("internal-error", "The request could not be answered; the log says why.")


def document(problem: ApiProblem, *, instance: str, request_id: str) -> bytes:
    """The problem as JSON.

    Args:
        problem: the problem.
        instance: the path that was asked for.
        request_id: the request's id, as in the answer's header and the log.
    """
    kind = problem.type
    return msgspec.json.encode(
        Problem(
            type=kind.uri,
            title=kind.title,
            status=kind.status,
            detail=problem.detail,
            instance=instance,
            request_id=request_id,
            **problem.members,
        )
    )


def _validation(error: ValidationException) -> ApiProblem:
    """Litestar's validation error: each field with its message, in our words."""
    extra = error.extra if isinstance(error.extra, list) else []
    errors = [
        FieldError(
            field=str(each.get("key", "?")),
            message=_reworded(str(each.get("message", "not valid"))),
            where=str(getattr(each.get("source"), "value", each.get("source")) or "query"),
        )
        for each in extra
    ]
    missing = _MISSING.match(str(error.detail))
    if missing is not None:
        return invalid(missing[1], "is needed")
    if not errors:
        return ApiProblem("malformed-request", str(error.detail))
    return invalid_fields(errors)


def _reworded(message: str) -> str:
    """msgspec's messages as the rest of ours: ``expected an integer, got text``."""
    for theirs, ours in (
        ("Expected `int | null`", "expected an integer"),
        ("Expected `int`", "expected an integer"),
        ("Expected `bool`", "expected true or false"),
        ("Expected `str` matching regex", "must match"),
        ("Expected `str`", "expected text"),
        (", got `str`", ""),
        (", got `array`", ", once"),
        ("Invalid enum value", "is none of the values it may have:"),
        ("Expected", "expected"),
        ("\\\\", "\\"),
        ("`", ""),
    ):
        message = message.replace(theirs, ours)
    return message


def _of_books(error: BookError) -> ApiProblem:
    if isinstance(error, AmbiguousInstrumentError):
        return ApiProblem("ambiguous-instrument", str(error), candidates=list(error.choices))
    for kind, name in _BOOK_ERRORS.items():
        if isinstance(error, kind):
            return ApiProblem(name, str(error))
    return ApiProblem("unknown-book", str(error))


def _of_library(error: HTTPException) -> ApiProblem:
    name = _BY_STATUS[error.status_code]
    details = {
        "not-found": "No operation has this path.",
        "method-not-allowed": "No operation of this path has this method.",
    }
    headers = {name.title(): value for name, value in (error.headers or {}).items()}
    return ApiProblem(name, details.get(name, str(error.detail)), headers=headers)
