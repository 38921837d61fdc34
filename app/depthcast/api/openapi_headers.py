"""The request headers that operations of the OpenAPI document refer to."""

from typing import Any, Final

from depthcast.api.operations import IDEMPOTENCY_KEY

__all__ = ["REQUEST_HEADERS"]


def _header(name: str, description: str, example: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": more.pop("required", False),
        "description": description,
        "schema": {"type": "string", **more},
        "example": example,
    }


REQUEST_HEADERS: Final = {
    each["name"]: each
    for each in (
        _header(
            "If-None-Match",
            "An ETag that the client has: if it still stands, the answer is 304.",
            'W/"1868405f9b6e5481.125c1.5d0c7a1be2f3a490.live"',
        ),
        _header(
            "Range",
            "The bytes that are wanted. Several ranges at once are answered with the whole.",
            "bytes=1048576-",
        ),
        _header(
            "If-Range",
            "The ETag of the file of which a part is wanted. If the file is another, it comes whole.",
            '"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"',
        ),
        _header(
            "Idempotency-Key",
            "A text of the client's own choice: the same request with the same key gets the same answer.",
            "b1d7a2f0-nightly-2025-09-24",
            required=True,
            pattern=IDEMPOTENCY_KEY,
        ),
    )
}
"""By name."""
