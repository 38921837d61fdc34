"""Roles of IAM, made of the statements that a task or function needs."""

import json
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

__all__ = ["Statement", "allow", "role"]

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
) -> aws.iam.Role:
    """A role that a service may take, with these statements and AWS's managed policies of these names.

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
    if statements:
        aws.iam.RolePolicy(
            name,
            role=made.id,
            policy=pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)}),
            opts=here,
        )
    for number, policy in enumerate(managed):
        aws.iam.RolePolicyAttachment(
            f"{name}-{number}",
            role=made.name,
            policy_arn=f"arn:aws:iam::aws:policy/service-role/{policy}",
            opts=here,
        )
    return made
