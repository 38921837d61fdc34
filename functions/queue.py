"""A queue of SQS, to send to."""

import re
from collections.abc import Mapping
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from depthcast.errors import StoreError

__all__ = ["Queue"]

_TIMEOUT_S: Final = 5
_RETRIES: Final = {"total_max_attempts": 3}
_MAX_CHARACTERS: Final = 1_000
_UNFIT: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that SQS takes nowhere."""


class Queue:
    """A queue.

    Args:
        url: its address.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Any = boto3.client(
            "sqs", config=Config(connect_timeout=_TIMEOUT_S, read_timeout=_TIMEOUT_S, retries=_RETRIES)
        )

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> None:
        """Send a message, with those attributes that are not empty.

        Raises:
            StoreError: the queue does not take it.
        """
        said = {
            name: {"DataType": "String", "StringValue": _UNFIT.sub("?", value)[:_MAX_CHARACTERS]}
            for name, value in (attributes or {}).items()
            if value
        }
        try:
            self._client.send_message(
                QueueUrl=self._url, MessageBody=_UNFIT.sub("?", body), MessageAttributes=said
            )
        except (BotoCoreError, ClientError) as error:
            raise StoreError(f"{self._url}: {error}") from error
