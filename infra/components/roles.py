"""Roles of IAM, made of the statements that a task or function needs."""

import json
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

__all__ = ["Statement", "after", "allow", "role"]

Statement = dict[str, Any]


def allow(
    actions: str | Sequence[str],
    resources: pulumi.Input[str] | Sequence[pulumi.Input[str]],
    condition: dict[str, Any] | None = None,
) -> Statement:
    """A statement that allows actions on resources."""
    statement: Statement = {
        "Effect": "Allow",
        "Action": [actions] if isinstance(actions, str) else list(actions),
        "Resource": resources,
    }
    return statement if condition is None else {**statement, "Condition": condition}


def role(
    name: str,
    service: str,
    statements: Sequence[Statement],
    *,
    parent: pulumi.Resource,
    managed: Sequence[str] = (),
) -> pulumi.Output[str]:
    """The ARN of a role that a service may take, with these statements and AWS's policies of these names.
    It is there once the role has them, so that nobody takes it too early.

    Its path is ``/depthcast/``: who deploys may make roles there, and nowhere else.
    """
    here = pulumi.ResourceOptions(parent=parent)
    made = aws.iam.Role(
        name,
        path="/depthcast/",
        assume_role_policy=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
                ],
            }
        ),
        opts=here,
    )
    given: list[pulumi.Resource] = []
    if statements:
        document = pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)})
        given.append(aws.iam.RolePolicy(name, role=made.id, policy=document, opts=here))
    for number, policy in enumerate(managed):
        arn = f"arn:aws:iam::aws:policy/service-role/{policy}"
        attached = aws.iam.RolePolicyAttachment(f"{name}-{number}", role=made.name, policy_arn=arn, opts=here)
        given.append(attached)
    return after(made.arn, given)


def after(value: pulumi.Output[str], resources: Sequence[pulumi.Resource]) -> pulumi.Output[str]:
    """A value that whoever uses it has only once these resources are there."""
    return pulumi.Output.all(value, *(each.urn for each in resources)).apply(lambda all_: str(all_[0]))
