"""The stack's key of KMS, and which of AWS's services may use it for what.

=====================  =================================================================
what                   cipher
=====================  =================================================================
segments, exports      SSE-KMS with this key, one data key a bucket
access logs            SSE-S3: load balancers can write nothing else
queues, topic          this key
secrets                this key
database, its backups  this key, Performance Insights too
log groups             this key
tasks' own disks       AWS's own key of Fargate
images                 the registry's key, of the account that has it
=====================  =================================================================
"""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

__all__ = ["Keys", "KeysArgs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysArgs:
    """Attributes: account, region: where. protect: how long a deleted key may be had back."""

    account: pulumi.Input[str]
    region: pulumi.Input[str]
    protect: bool


class Keys(pulumi.ComponentResource):
    """One key for all of the stack."""

    def __init__(self, name: str, args: KeysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("depthcast:infra:Keys", name, None, opts)
        self.key = aws.kms.Key(
            name,
            description=f"Data of {name}",
            enable_key_rotation=True,
            deletion_window_in_days=30 if args.protect else 7,
            policy=_policy(args.account, args.region),
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.kms.Alias(
            name,
            name=f"alias/{name}",
            target_key_id=self.key.id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = self.key.arn
        self.register_outputs({"arn": self.arn})


def _policy(account: pulumi.Input[str], region: pulumi.Input[str]) -> pulumi.Output[str]:
    def service(sid: str, principal: pulumi.Input[str], actions: list[str], condition: Any) -> dict[str, Any]:
        return {
            "Sid": sid,
            "Effect": "Allow",
            "Principal": {"Service": principal},
            "Action": actions,
            "Resource": "*",  # of a key's own policy: this key
            "Condition": condition,
        }

    here = {"StringEquals": {"aws:SourceAccount": account}}
    use = ["kms:Decrypt", "kms:GenerateDataKey*"]
    logs = pulumi.Output.concat("arn:aws:logs:", region, ":", account, ":*")
    return pulumi.Output.json_dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "AccountDecides",  # by policies of IAM
                    "Effect": "Allow",
                    "Principal": {"AWS": pulumi.Output.concat("arn:aws:iam::", account, ":root")},
                    "Action": "kms:*",
                    "Resource": "*",
                },
                service("SegmentsToQueue", "s3.amazonaws.com", use, here),
                service("AlarmsToTopic", "cloudwatch.amazonaws.com", use, here),
                service("BudgetToTopic", "budgets.amazonaws.com", use, here),
                service(
                    "Logs",
                    pulumi.Output.concat("logs.", region, ".amazonaws.com"),
                    [
                        "kms:Encrypt",
                        "kms:Decrypt",
                        "kms:ReEncrypt*",
                        "kms:GenerateDataKey*",
                        "kms:DescribeKey",
                    ],
                    {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": logs}},
                ),
            ],
        }
    )
