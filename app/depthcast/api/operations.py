"""How an operation is declared: what it answers, with what problems, who may ask.

The OpenAPI document (`depthcast.api.openapi`) is made of these declarations and the handlers' signatures.
"""

from typing import Any, Final

from msgspec import Struct

from depthcast.api.auth import PUBLIC

__all__ = ["IDEMPOTENCY_KEY", "Operation", "operation"]

IDEMPOTENCY_KEY: Final = r"^[!-~]{1,128}$"
"""What an Idempotency-Key may be."""
_ALWAYS: Final = ("invalid-parameter", "rate-limited", "internal-error")
_WITH_KEY: Final = ("key-required", "key-invalid", "key-ended", "scope-missing")


class Operation(Struct, frozen=True, kw_only=True):
    """What a handler's signature does not say of it; its docstring describes it.

    Attributes:
        summary: a line.
        answer: the type of the answer.
        example: an answer.
        tag: the group it belongs to.
        problems: names of the problems that it can have.
        scope: what a key needs for it; ``public`` for nothing.
        media_type: of the answer.
        tagged: whether answers have an ETag, and If-None-Match is heeded.
        ranges: whether a part of the answer may be asked for (`depthcast.api.ranges`).
        data: whether answers have the header Depthcast-Book.
        past: whether ``at=`` asks for the past, which needs the scope ``replay`` instead.
        also: other media types that an answer may have, with a description each.
        status: of an answer.
        body: the type of the request's content; None where it has none.
        once: whether a header Idempotency-Key is needed.
    """

    summary: str
    answer: Any
    example: Any
    tag: str
    problems: tuple[str, ...] = ()
    scope: str = "read"
    media_type: str = "application/json"
    tagged: bool = False
    ranges: bool = False
    data: bool = False
    past: bool = False
    also: dict[str, str] = {}
    status: int = 200
    body: Any = None
    once: bool = False


def operation(
    summary: str, answer: Any, example: Any, *, waits: bool = False, **declared: Any
) -> dict[str, Any]:
    """Arguments of a route's decorator.

    ``declared`` are `Operation`'s attributes, ``problems`` without those that all operations have. ``waits``:
    the handler is a coroutine.
    """
    made = Operation(summary=summary, answer=answer, example=example, **declared)
    names = (*made.problems, *(_WITH_KEY if made.scope != PUBLIC else ()), *_ALWAYS)
    made = Operation(
        summary=summary,
        answer=answer,
        example=example,
        **{**declared, "problems": tuple(dict.fromkeys(names))},
    )
    options: dict[str, Any] = {"opt": {"scope": made.scope, "operation": made}}
    return options if waits else {**options, "sync_to_thread": False}
