"""How an operation is declared: what it answers, with what problems, who may ask.

The OpenAPI document (`depthcast.api.openapi`) is made from these declarations and the handlers' signatures.
"""

from collections.abc import Sequence
from typing import Any, Final

from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from depthcast.api.auth import PUBLIC
from depthcast.api.problems import MEDIA_TYPE, Problem

__all__ = ["Operation", "operation"]

_ALWAYS: Final = ("invalid-parameter", "rate-limited", "internal-error")
_WITH_KEY: Final = ("key-required", "key-invalid", "key-ended", "scope-missing")


class Operation(Struct, frozen=True):
    """What a handler's signature does not say of it.

    Attributes:
        example: an answer.
        media_type: of the answer.
        problems: names of the problems that it can have.
        scope: what a key needs for it.
        tagged: whether answers have an ETag, and If-None-Match is heeded.
        data: whether answers have the header Depthcast-Book.
        also: other media types that an answer may have, with a description each.
    """

    example: Any
    media_type: str
    problems: tuple[str, ...]
    scope: str
    tagged: bool
    data: bool
    also: dict[str, str]


def operation(
    summary: str,
    answer: type[Any],
    example: Any,
    *,
    tag: str,
    problems: Sequence[str] = (),
    scope: str = "read",
    media_type: str = "application/json",
    tagged: bool = False,
    data: bool = False,
    also: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Arguments of a route's decorator; its description is the handler's docstring.

    Args:
        summary: a line.
        answer: the type of the answer.
        tag: the group it belongs to.
        problems: beside those that all operations have.

    The others are `Operation`'s.
    """
    names = (*problems, *(_WITH_KEY if scope != PUBLIC else ()), *_ALWAYS)
    declared = Operation(example, media_type, names, scope, tagged, data, also or {})
    spec = ResponseSpec(answer, generate_examples=False, description="The answer.", media_type=media_type)
    problem = ResponseSpec(Problem, generate_examples=False, description="A problem.", media_type=MEDIA_TYPE)
    return {
        "summary": summary,
        "tags": [tag],
        "opt": {"scope": scope, "operation": declared},
        "sync_to_thread": False,
        "responses": {200: spec, 500: problem},
    }
