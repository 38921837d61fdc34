"""Answers that are made while they are sent: a piece at a time, and no more than the client takes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

from litestar.types import HTTPResponseStartEvent, Receive, Scope, Send

from depthcast.api.answers import Answer
from depthcast.api.limits import Buckets

__all__ = ["Streamed"]

COST_BYTES: Final = 65_536
"""Each full 64 KiB costs one token."""


class Streamed(Answer):
    """A response whose content is made while it is sent.

    Args:
        pieces: its content. What they raise before the first one is answered as a problem; later it cuts the
            answer off, so that nobody takes a part for the whole.
        media_type: the content's type.
        headers: further headers.
        status_code: of the answer.
        buckets: where its length is paid for, if the headers do not say it.
    """

    __slots__ = ("_begins_as", "_buckets", "_pieces")

    def __init__(
        self,
        pieces: AsyncIterator[bytes],
        *,
        media_type: str,
        headers: Mapping[str, str],
        status_code: int = 200,
        buckets: Buckets | None = None,
    ) -> None:
        super().__init__(status_code=204, headers={**headers, "Content-Type": media_type})  # no length
        self._begins_as = status_code
        self._pieces = pieces
        self._buckets = buckets

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        """The ASGI application."""
        gone = asyncio.ensure_future(_gone(receive))
        start: HTTPResponseStartEvent = {
            "type": "http.response.start", "status": self._begins_as, "headers": self._headers,
        }  # fmt: skip
        begun = False
        size = 0
        try:
            async for piece in self._pieces:
                if gone.done():
                    return
                if not begun:
                    begun = True
                    await send(start)
                if piece:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    tokens = (size + len(piece)) // COST_BYTES - size // COST_BYTES
                    size += len(piece)
                    if tokens and self._buckets is not None:
                        self._buckets.charge(scope["state"]["limits_key"], tokens)
            if not begun:
                await send(start)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            close = getattr(self._pieces, "aclose", None)
            if close is not None:
                await close()


async def _gone(receive: Receive) -> None:
    """Returns when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
