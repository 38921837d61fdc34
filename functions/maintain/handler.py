"""Keeps the database and the segments' store in order, once a call. docs/functions.md describes it."""

import asyncio
import datetime as dt
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from depthcast.errors import StoreError
from depthcast.store.maintain import MaintenanceReport, maintain
from functions.maintain.findings import ask_again, tell
from functions.runtime import MARGIN_S, Runtime

__all__ = ["handler"]

RUNTIME: Final = Runtime("maintain")


@RUNTIME.handler
def handler(_: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """What was found: the numbers that are sent as metrics too. What fails is raised."""
    report = RUNTIME.run(_maintain(context.get_remaining_time_in_millis() / 1000))
    numbers = tell(RUNTIME, report)
    numbers["SegmentsAskedFor"] = ask_again(RUNTIME, report)
    for name, number in numbers.items():
        RUNTIME.count(name, number)
    return numbers


async def _maintain(left_s: float) -> MaintenanceReport:
    settings = RUNTIME.settings
    try:
        async with asyncio.timeout(left_s - MARGIN_S), RUNTIME.pool.connection() as connection:
            return await maintain(
                connection,
                RUNTIME.objects,
                now=dt.datetime.now(dt.UTC),
                settings=settings.maintenance,
                zstd_level=settings.journal.zstd_level,
                for_s=left_s - settings.functions.reserve_s,
            )
    except TimeoutError:
        raise StoreError(
            "the round was given up before the invocation's end: what was done stays; give it more time"
        ) from None
