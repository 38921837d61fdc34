"""A REST API over the world of `tests.support.api_world`, and what it answers when something is wrong."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.support.api_service import Api, api_over
from tests.support.api_world import feed_of_the_world
from tests.support.gateways import run

__all__ = ["asked", "problem", "world"]


def asked(test: Callable[[Api], Awaitable[None]]) -> None:
    """Run a test with an API over the world."""

    async def main() -> None:
        async with world() as api:
            await test(api)

    run(main())


@asynccontextmanager
async def world(**arguments: Any) -> AsyncIterator[Api]:
    async with api_over(feed_of_the_world(), **arguments) as api:
        yield api


def problem(response: httpx.Response, status: int, name: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"/v1/problems/{name}"
    assert body["status"] == status
    return body
