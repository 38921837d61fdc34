"""Messages that will never do go to a queue of their own, with the reason."""

import re
from typing import Any, Final, NamedTuple

import boto3
from botocore.config import Config

__all__ = ["DeadLetters", "Poison"]

_TIMEOUT_S: Final = 5
_RETRIES: Final = {"total_max_attempts": 3}
_MAX_REASON: Final = 1_000
_UNFIT: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that SQS takes nowhere."""


class Poison(NamedTuple):
    """A message, and why trying it again does not help."""

    body: str
    reason: str
    segment: str
    """Its path; empty where the message names none."""


class DeadLetters:
    """The queue.

    Args:
        url: its address.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        config = Config(
            connect_timeout=_TIMEOUT_S, read_timeout=_TIMEOUT_S, retries={"total_max_attempts": 3}
        )
        self._client: Any = boto3.client("sqs", config=config)

    def put(self, poison: Poison, message_id: str) -> None:
        """Send a message there, with the attributes ``reason``, ``segment`` and ``message_id``.

        Raises:
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: it is not there.
        """
        attributes = {
            "reason": _UNFIT.sub("?", poison.reason)[:_MAX_REASON],
            "segment": _UNFIT.sub("?", poison.segment),
            "message_id": message_id,
        }
        self._client.send_message(
            QueueUrl=self._url,
            MessageBody=poison.body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
                if value
            },
        )
