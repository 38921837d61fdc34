"""AWS's services within the VPC, for stacks without a NAT gateway: the ones that are really needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

__all__ = ["SERVICES", "Endpoints", "EndpointsArgs"]

SERVICES: Final = ("ecr.api", "ecr.dkr", "logs", "secretsmanager", "sqs", "kms", "sts", "xray")
"""Images, logs and metrics, secrets, queues, keys, roles, traces. S3 has a gateway endpoint, which costs
nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointsArgs:
    """Attributes: vpc_id, subnet_ids: where. group: the security group. region: whose services."""

    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    group: pulumi.Input[str]
    region: pulumi.Input[str]


class Endpoints(pulumi.ComponentResource):
    """An interface endpoint for each service."""

    def __init__(self, name: str, args: EndpointsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("depthcast:infra:Endpoints", name, None, opts)
        for service in SERVICES:
            label = f"{name}-{service.replace('.', '-')}"
            aws.ec2.VpcEndpoint(
                label,
                vpc_id=args.vpc_id,
                service_name=pulumi.Output.concat("com.amazonaws.", args.region, ".", service),
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=list(args.subnet_ids),
                security_group_ids=[args.group],
                tags={"Name": label},
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
