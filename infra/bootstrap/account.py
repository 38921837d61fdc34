"""The parts of an account."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.bootstrap.github import deploy_roles, provider_arn
from infra.bootstrap.registry import Registry
from infra.bootstrap.settings import BootstrapSettings
from infra.bootstrap.state import State

__all__ = ["build"]


def build(settings: BootstrapSettings) -> Mapping[str, pulumi.Input[Any]]:
    """Describe an account. Gives what the next steps need to know."""
    account = aws.get_caller_identity_output().account_id
    region = aws.get_region_output().region
    state = State("depthcast-state")
    outputs: dict[str, pulumi.Input[Any]] = {
        "stateUrl": pulumi.Output.concat("s3://", state.bucket.bucket, "?region=", region),
        "secretsProvider": pulumi.Output.concat("awskms://", state.key.arn),
    }
    if settings.registry:
        registry = Registry("depthcast", account, region, settings.pullers)
        outputs["imageRepository"] = registry.images.repository_url
        outputs["collectorRepository"] = registry.collector.repository_url
    if settings.github_subject:
        provider = provider_arn(account, make=settings.github_provider)
        roles = deploy_roles(settings, state, provider, account)
        outputs["roles"] = {name: role.arn for name, role in roles.items()}
    if settings.domain:
        zone = aws.route53.Zone("depthcast", name=settings.domain, comment="The names of Depthcast")
        outputs["hostedZoneId"] = zone.zone_id
        outputs["nameServers"] = zone.name_servers
    return outputs
