"""A bucket that tells a queue of its objects, and what brings the queue's messages to a function."""

import json
from typing import Any, Final, NamedTuple

import boto3

from tests.support.lambda_runtime import LambdaFunction
from tests.support.moto import S3Server

__all__ = ["Account", "Polled"]

_BATCH: Final = 10
_ATTRIBUTES: Final = (
    "ApproximateReceiveCount",
    "SentTimestamp",
    "SenderId",
    "ApproximateFirstReceiveTimestamp",
)


class Polled(NamedTuple):
    """A batch: the messages by id, and the ids of those that come again."""

    messages: dict[str, str]
    failed: list[str]


class Account:
    """A bucket, its queue, and the queue for what cannot be done, in moto's server.

    Args:
        server: where.
        name: of all three.
    """

    def __init__(self, server: S3Server, name: str) -> None:
        self.bucket = name
        self.store = f"s3://{name}/feeds/test"
        self._sqs: Any = boto3.client("sqs", endpoint_url=server.endpoint, region_name="us-east-1")
        self.s3: Any = boto3.client("s3", endpoint_url=server.endpoint, region_name="us-east-1")
        self.dead_letters = self._sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        self.queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        self.limit_receives(1_000)
        server.make_bucket(name)
        told = {"QueueArn": self._arn(self.queue), "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
        self.s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"QueueConfigurations": [told]}
        )

    def send(self, body: str) -> None:
        self._sqs.send_message(QueueUrl=self.queue, MessageBody=body)

    def limit_receives(self, receives: int) -> None:
        """How often a message may come before it goes to the other queue."""
        redrive = {"deadLetterTargetArn": self._arn(self.dead_letters), "maxReceiveCount": receives}
        self._sqs.set_queue_attributes(
            QueueUrl=self.queue, Attributes={"RedrivePolicy": json.dumps(redrive), "VisibilityTimeout": "360"}
        )

    def drop(self, keep: int = 0) -> None:
        """Forget what is in the queue, but for so many messages that came first."""
        kept = []
        while received := self._sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=_BATCH).get(
            "Messages", []
        ):
            kept += [message["Body"] for message in received]
            for message in received:
                self._sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        for body in kept[:keep]:
            self.send(body)

    def event(self, bodies: list[str]) -> dict[str, Any]:
        """The event of a batch of messages that are in no queue."""
        attributes = {"ApproximateReceiveCount": "1", "SentTimestamp": "1700000000000"}
        common = {"ReceiptHandle": "none", "MD5OfBody": "none", "Attributes": attributes}
        return {
            "Records": [
                self._record({"MessageId": f"message-{number}", "Body": body, **common})
                for number, body in enumerate(bodies)
            ]
        }

    def poll(self, function: LambdaFunction, *, batch: int = _BATCH, **options: Any) -> Polled:
        """Bring a batch to a function, and delete what it does not want again. The rest can come at once."""
        received = self._sqs.receive_message(
            QueueUrl=self.queue,
            MaxNumberOfMessages=batch,
            MessageSystemAttributeNames=list(_ATTRIBUTES),
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not received:
            return Polled({}, [])
        answer = function.invoke({"Records": [self._record(each) for each in received]}, **options)
        failed = [each["itemIdentifier"] for each in answer["batchItemFailures"]]
        for message in received:
            handle = message["ReceiptHandle"]
            if message["MessageId"] in failed:
                self._sqs.change_message_visibility(
                    QueueUrl=self.queue, ReceiptHandle=handle, VisibilityTimeout=0
                )
            else:
                self._sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=handle)
        return Polled({each["MessageId"]: each["Body"] for each in received}, failed)

    def drain(self, function: LambdaFunction, rounds: int = 50, **options: Any) -> list[Polled]:
        """Poll until nothing is left."""
        found: list[Polled] = []
        for _ in range(rounds):
            polled = self.poll(function, **options)
            if not polled.messages:
                return found
            found.append(polled)
        raise AssertionError(f"messages keep coming: {found[-1]}")

    def dead(self) -> list[dict[str, Any]]:
        """The messages in the other queue, each once, with their attributes."""
        found: list[dict[str, Any]] = []
        while received := self._sqs.receive_message(
            QueueUrl=self.dead_letters, MaxNumberOfMessages=_BATCH, MessageAttributeNames=["All"]
        ).get("Messages", []):
            found += received
            for message in received:
                self._sqs.delete_message(QueueUrl=self.dead_letters, ReceiptHandle=message["ReceiptHandle"])
        return found

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        """A message as Lambda gives it to a function."""
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {},
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._arn(self.queue),
            "awsRegion": "us-east-1",
        }

    def _arn(self, url: str) -> str:
        found = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])
