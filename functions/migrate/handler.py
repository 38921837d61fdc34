"""Brings the schema of the database to a revision, by default the newest. docs/functions.md describes it."""

from typing import Any, Final

import msgspec
from aws_lambda_powertools.utilities.typing import LambdaContext

from depthcast.errors import UsageError
from depthcast.store.connect import connected
from depthcast.store.migrate import HEAD, migrate
from functions.runtime import Runtime

__all__ = ["handler"]

RUNTIME: Final = Runtime("migrate")


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """To which revision, and whether data may be lost by going back."""

    to: str = HEAD
    may_lose_data: bool = False


@RUNTIME.handler
def handler(event: dict[str, Any], _: LambdaContext) -> dict[str, str]:
    """The revisions before and after. What is refused or fails is raised: a deployment must not go on."""
    try:
        request = msgspec.convert(event, Request)
    except msgspec.ValidationError as error:
        raise UsageError(f'{error}: expected {{"to": REVISION, "may_lose_data": true}} or {{}}') from None
    before, after = RUNTIME.run(_migrate(request))
    RUNTIME.logger.info("the schema is up to date", before=before, after=after)
    RUNTIME.count("Migrations", int(before != after))
    return {"before": before, "after": after}


async def _migrate(request: Request) -> tuple[str, str]:
    async with connected(RUNTIME.database) as connection:
        return await migrate(connection, request.to, may_go_down=request.may_lose_data)
