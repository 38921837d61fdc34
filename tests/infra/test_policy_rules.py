"""The rules of the policy pack: each finds what it is there for, and our own stacks break none."""

import json

import pytest

from infra.policy.rules import RULES, wildcards
from tests.support.stacks import Built

_CHECKS = {rule.name: rule.check for rule in RULES}
_TAGS = {"project": "depthcast", "stack": "dev"}


@pytest.mark.parametrize(
    ("rule", "kind", "props"),
    [
        ("no-public-database", "aws:rds/instance:Instance", {"publiclyAccessible": True}),
        (
            "no-public-database",
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
            {"cidrIpv4": "0.0.0.0/0", "fromPort": 5000, "toPort": 6000, "ipProtocol": "tcp"},
        ),
        (
            "no-public-database",
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
            {"cidrIpv6": "::/0", "ipProtocol": "-1"},
        ),
        ("encrypted", "aws:sqs/queue:Queue", {}),
        ("encrypted", "aws:rds/instance:Instance", {"storageEncrypted": True, "kmsKeyId": "k"}),
        (
            "encrypted",
            "aws:lb/listener:Listener",
            {"protocol": "HTTPS", "sslPolicy": "ELBSecurityPolicy-2016-08"},
        ),
        (
            "no-public-bucket",
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
            {"blockPublicAcls": True},
        ),
        ("no-public-bucket", "aws:s3/bucketAcl:BucketAcl", {"acl": "public-read"}),
        (
            "no-wildcards",
            "aws:iam/rolePolicy:RolePolicy",
            {"policy": json.dumps({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})},
        ),
        (
            "no-wildcards",
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            {"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
        ),
        ("tagged", "aws:s3/bucket:Bucket", {"tagsAll": {"project": "depthcast"}}),
        ("logs-end", "aws:cloudwatch/logGroup:LogGroup", {}),
        ("logs-end", "aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 3653}),
        (
            "containers-are-closed",
            "aws:ecs/taskDefinition:TaskDefinition",
            {"containerDefinitions": json.dumps([{"name": "a"}])},
        ),
        (
            "containers-are-closed",
            "aws:ecs/taskDefinition:TaskDefinition",
            {
                "containerDefinitions": json.dumps(
                    [
                        {
                            "name": "a",
                            "readonlyRootFilesystem": True,
                            "environment": [{"name": "DEPTHCAST_KEY"}],
                        }
                    ]
                )
            },
        ),
    ],
)
def test_offences_are_found(rule: str, kind: str, props: dict[str, object]) -> None:
    assert list(_CHECKS[rule](kind, props))


def test_a_star_on_named_resources_is_allowed() -> None:
    named = {"Effect": "Allow", "Action": "s3:Get*", "Resource": ["arn:aws:s3:::one/*"]}
    denied = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
    assert not list(wildcards({"Statement": [named, denied]}))


def test_what_a_statement_does_not_name_is_not_allowed() -> None:
    assert list(wildcards({"Statement": [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "arn:x"}]}))


def test_our_stacks_break_no_rule(stack: Built) -> None:
    found = [
        f"{each.name}: {rule.name}: {problem}"
        for each in stack.resources
        for rule in RULES
        for problem in rule.check(each.kind, {**each.inputs, "tagsAll": _TAGS})
    ]
    assert not found, "\n".join(found)
