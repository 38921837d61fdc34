"""The bucket of segments and exports, that of access logs, and the queues that tell of new segments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from infra.components.roles import Statement, after, allow

__all__ = ["EXPORTS", "JOURNAL", "Storage", "StorageArgs"]

JOURNAL: Final = "feeds"
"""The prefix of journals; their keys begin with ``feeds/journal/dataset=``."""
EXPORTS: Final = "exports"
_INDEX: Final = ".index.json"
_COMPACT_S: Final = 300
_TWO_WEEKS_S: Final = 14 * 86_400
_RECEIVES: Final = 100
"""Poison goes straight to the other queue; this is for processes that die of a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageArgs:
    """Attributes: account. key: of KMS. dataset: of the feed. journal_days: how long its segments stay, 0
    for ever.
    log_days: of access logs. protect: keep what is in it."""

    account: pulumi.Input[str]
    key: pulumi.Input[str]
    dataset: str
    journal_days: int
    log_days: int
    protect: bool


class Storage(pulumi.ComponentResource):
    """Attributes: bucket, logs: buckets. segments, dead_letters: queues."""

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("depthcast:infra:Storage", name, None, opts)
        self._args = args
        self._here = pulumi.ResourceOptions(parent=self)
        self.key = args.key
        self.bucket = self._bucket(f"{name}-data", args.key, versions=True, rules=_data_rules(args))
        expiry = [{"id": "old", "days": args.log_days, "prefix": ""}]
        self.logs = self._bucket(f"{name}-access", None, versions=False, rules=_rules(expiry))
        self.data_policy = self._only_by_tls(f"{name}-data", self.bucket, [])
        self.logs_policy = self._only_by_tls(
            f"{name}-access", self.logs, [_balancers(args.account, self.logs)]
        )
        self.logs_bucket = after(self.logs.bucket, [self.logs_policy])
        self.dead_letters = self._queue(f"{name}-dead", {})
        self.segments = self._queue(
            f"{name}-segments",
            {
                "visibility_timeout_seconds": 6 * _COMPACT_S,
                "redrive_policy": pulumi.Output.json_dumps(
                    {"deadLetterTargetArn": self.dead_letters.arn, "maxReceiveCount": _RECEIVES}
                ),
            },
        )
        self._notify(name)
        self.journal_url = pulumi.Output.concat("s3://", self.bucket.bucket, "/", JOURNAL)
        self.exports_url = pulumi.Output.concat("s3://", self.bucket.bucket, "/", EXPORTS)
        self.register_outputs({"bucket": self.bucket.bucket})

    def reads(self, prefix: str) -> list[Statement]:
        """Statements to read what is under a prefix. Without the right to list, S3 answers 403 for what
        is gone."""
        return [
            allow("s3:GetObject", pulumi.Output.concat(self.bucket.arn, f"/{prefix}/*")),
            allow("s3:ListBucket", self.bucket.arn, {"StringLike": {"s3:prefix": [f"{prefix}/*", prefix]}}),
            allow("kms:Decrypt", self.key),
        ]

    def writes(self, prefix: str, *, deletes: bool = False) -> list[Statement]:
        """Statements to write there, and to delete."""
        actions = ["s3:PutObject", "s3:AbortMultipartUpload", *(["s3:DeleteObject"] if deletes else [])]
        return [
            allow(actions, pulumi.Output.concat(self.bucket.arn, f"/{prefix}/*")),
            allow("kms:GenerateDataKey", self.key),
        ]

    def _bucket(
        self,
        name: str,
        key: pulumi.Input[str] | None,
        *,
        versions: bool,
        rules: Sequence[aws.s3.BucketLifecycleConfigurationRuleArgs],
    ) -> aws.s3.Bucket:
        bucket = aws.s3.Bucket(name, force_destroy=not self._args.protect, opts=self._here)
        aws.s3.BucketOwnershipControls(
            name,
            bucket=bucket.id,
            rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=self._here,
        )
        aws.s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._here,
        )
        default = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="AES256" if key is None else "aws:kms", kms_master_key_id=key
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.id,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=default, bucket_key_enabled=key is not None
                )
            ],
            opts=self._here,
        )
        versioned = []
        if versions:
            status = aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled")
            versioned = [
                aws.s3.BucketVersioning(
                    name, bucket=bucket.id, versioning_configuration=status, opts=self._here
                )
            ]
        aws.s3.BucketLifecycleConfiguration(
            name,
            bucket=bucket.id,
            rules=list(rules),
            opts=pulumi.ResourceOptions(parent=self, depends_on=versioned),
        )
        return bucket

    def _only_by_tls(
        self, name: str, bucket: aws.s3.Bucket, more: Sequence[Statement]
    ) -> aws.s3.BucketPolicy:
        deny = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket.arn, pulumi.Output.concat(bucket.arn, "/*")],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        policy = pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [deny, *more]})
        return aws.s3.BucketPolicy(name, bucket=bucket.id, policy=policy, opts=self._here)

    def _queue(self, name: str, more: dict[str, Any]) -> aws.sqs.Queue:
        return aws.sqs.Queue(
            name,
            message_retention_seconds=_TWO_WEEKS_S,
            kms_master_key_id=self._args.key,
            kms_data_key_reuse_period_seconds=300,
            opts=self._here,
            **more,
        )

    def _notify(self, name: str) -> None:
        """Of each index: it is stored last, so its segment is whole. S3 tries the queue first, so its
        policy is there before."""
        may_send = {
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": self.segments.arn,
            "Condition": {
                "ArnEquals": {"aws:SourceArn": self.bucket.arn},
                "StringEquals": {"aws:SourceAccount": self._args.account},
            },
        }
        policy = aws.sqs.QueuePolicy(
            f"{name}-segments",
            queue_url=self.segments.url,
            policy=pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [may_send]}),
            opts=self._here,
        )
        aws.s3.BucketNotification(
            f"{name}-segments",
            bucket=self.bucket.id,
            queues=[
                aws.s3.BucketNotificationQueueArgs(
                    queue_arn=self.segments.arn,
                    events=["s3:ObjectCreated:*"],
                    filter_prefix=f"{JOURNAL}/journal/",
                    filter_suffix=_INDEX,
                )
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )


def _balancers(account: pulumi.Input[str], bucket: aws.s3.Bucket) -> Statement:
    """Load balancers write their access logs."""
    return {
        "Effect": "Allow",
        "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": pulumi.Output.concat(bucket.arn, "/AWSLogs/", account, "/*"),
    }


def _data_rules(args: StorageArgs) -> list[aws.s3.BucketLifecycleConfigurationRuleArgs]:
    """Exports go after two days (they expire after one). Segments stay, or go by their days; ``epochs/``
    always stays."""
    rules = _rules([{"id": "exports", "days": 2, "prefix": f"{EXPORTS}/"}])
    if args.journal_days:
        days = f"{JOURNAL}/journal/dataset={args.dataset}/shard=0/date="
        rules += _rules([{"id": "segments", "days": args.journal_days, "prefix": days}])
    old = aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(noncurrent_days=30)
    rules.append(
        aws.s3.BucketLifecycleConfigurationRuleArgs(
            id="versions",
            status="Enabled",
            filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
            noncurrent_version_expiration=old,
            abort_incomplete_multipart_upload=(
                aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                    days_after_initiation=2
                )
            ),
        )
    )
    return rules


def _rules(which: Sequence[dict[str, Any]]) -> list[aws.s3.BucketLifecycleConfigurationRuleArgs]:
    return [
        aws.s3.BucketLifecycleConfigurationRuleArgs(
            id=str(each["id"]),
            status="Enabled",
            filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=str(each["prefix"])),
            expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=int(each["days"])),
        )
        for each in which
    ]
