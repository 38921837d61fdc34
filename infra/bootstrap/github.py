"""Roles that GitHub's workflows take by their tokens: none has a key that could be lost.

Each stage has a role that deploys, for jobs of the GitHub environment of its name; and all have one that
previews, which
reads and changes nothing, for jobs of pull requests of this repository (a fork's get no token).
"""

from typing import Any, Final

import pulumi
import pulumi_aws as aws

from infra.bootstrap.settings import BootstrapSettings
from infra.bootstrap.state import State
from infra.components.roles import Statement, allow

__all__ = ["deploy_roles", "provider_arn"]

_ISSUER: Final = "token.actions.githubusercontent.com"
_AUDIENCE: Final = "sts.amazonaws.com"
_HOUR_S: Final = 3600
_POWER: Final = "arn:aws:iam::aws:policy/PowerUserAccess"
_READ: Final = "arn:aws:iam::aws:policy/ReadOnlyAccess"


def provider_arn(account: pulumi.Input[str], *, make: bool) -> pulumi.Output[str]:
    """The account's provider of GitHub's tokens."""
    if make:
        provider = aws.iam.OpenIdConnectProvider(
            "github", url=f"https://{_ISSUER}", client_id_lists=[_AUDIENCE]
        )
        return provider.arn
    return pulumi.Output.concat("arn:aws:iam::", account, f":oidc-provider/{_ISSUER}")


def deploy_roles(
    settings: BootstrapSettings,
    state: State,
    provider: pulumi.Input[str],
    account: pulumi.Input[str],
) -> dict[str, aws.iam.Role]:
    """A role a stage, and ``preview``."""
    roles = {}
    for stage in settings.stages:
        role = _role(f"depthcast-deploy-{stage}", settings, provider, [f"environment:{stage}"], _POWER)
        _policy(role, f"depthcast-deploy-{stage}", [*_state(state, write=True), *_roles_of_stacks(account)])
        roles[stage] = role
    preview = _role("depthcast-preview", settings, provider, ["pull_request", "ref:refs/heads/main"], _READ)
    hidden: Statement = {
        "Effect": "Deny",
        "Action": ["secretsmanager:GetSecretValue", "ssm:GetParameter*", "s3:GetObject"],
        "NotResource": pulumi.Output.concat(state.bucket.arn, "/*"),
    }
    _policy(preview, "depthcast-preview", [*_state(state, write=False), hidden])
    roles["preview"] = preview
    return roles


def _role(
    name: str,
    settings: BootstrapSettings,
    provider: pulumi.Input[str],
    contexts: list[str],
    managed: str,
) -> aws.iam.Role:
    trust: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                f"{_ISSUER}:aud": _AUDIENCE,
                f"{_ISSUER}:repository_id": settings.github_repository_id,
                f"{_ISSUER}:sub": [f"{settings.github_subject}:{context}" for context in contexts],
            }
        },
    }
    role = aws.iam.Role(
        name,
        name=name,  # workflows know it by this name
        path="/depthcast-ci/",
        max_session_duration=2 * _HOUR_S,
        assume_role_policy=pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    aws.iam.RolePolicyAttachment(name, role=role.name, policy_arn=managed)
    return role


def _policy(role: aws.iam.Role, name: str, statements: list[Statement]) -> None:
    policy = pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": statements})
    aws.iam.RolePolicy(name, role=role.id, policy=policy)


def _state(state: State, *, write: bool) -> list[Statement]:
    """A preview takes no lock, and writes nothing."""
    objects = pulumi.Output.concat(state.bucket.arn, "/*")
    may = ["s3:GetObject", *(["s3:PutObject", "s3:DeleteObject"] if write else [])]
    return [
        allow("s3:ListBucket", state.bucket.arn),
        allow(may, objects),
        allow(["kms:Decrypt", *(["kms:Encrypt", "kms:GenerateDataKey"] if write else [])], state.key.arn),
    ]


def _roles_of_stacks(account: pulumi.Input[str]) -> list[Statement]:
    """Who deploys makes roles under one path, and gives them to the services that take them: nothing else
    of IAM."""
    roles = pulumi.Output.concat("arn:aws:iam::", account, ":role/depthcast/*")
    linked = pulumi.Output.concat("arn:aws:iam::", account, ":role/aws-service-role/*")
    takers = ["ecs-tasks.amazonaws.com", "lambda.amazonaws.com", "monitoring.rds.amazonaws.com"]
    makers = [
        f"iam:{verb}"
        for verb in (
            "CreateRole",
            "DeleteRole",
            "GetRole",
            "UpdateRole",
            "UpdateAssumeRolePolicy",
            "TagRole",
            "UntagRole",
            "PutRolePolicy",
            "GetRolePolicy",
            "DeleteRolePolicy",
            "ListRolePolicies",
            "ListAttachedRolePolicies",
            "ListInstanceProfilesForRole",
        )
    ]
    managed = [
        f"arn:aws:iam::aws:policy/service-role/{each}"
        for each in (
            "AmazonECSTaskExecutionRolePolicy",
            "AWSLambdaVPCAccessExecutionRole",
            "AmazonRDSEnhancedMonitoringRole",
        )
    ]
    return [
        allow(makers, roles),
        allow(
            ["iam:AttachRolePolicy", "iam:DetachRolePolicy"], roles, {"ArnEquals": {"iam:PolicyARN": managed}}
        ),
        allow("iam:PassRole", roles, {"StringEquals": {"iam:PassedToService": takers}}),
        allow("iam:CreateServiceLinkedRole", linked),
    ]
