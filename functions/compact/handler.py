"""Compacts the segments that Amazon S3 says, by way of SQS, are there. docs/functions.md describes it."""

from typing import Any, Final

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.compact.batch import Batch
from functions.runtime import Runtime

__all__ = ["handler"]

RUNTIME: Final = Runtime("compact")


@RUNTIME.handler
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Which messages of the batch are to come again; the others are done."""
    RUNTIME.count("Messages", len(event.get("Records", [])))
    batch = Batch(RUNTIME, context)
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event, batch.take, processor, context)
