"""Who may speak to whom: a security group a role, and a rule for each way between them. Nothing else is
let through."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

__all__ = [
    "ADMIN_PORT",
    "API_PORT",
    "DATABASE_PORT",
    "GATEWAY_PORT",
    "GATEWAY_TLS_PORT",
    "TRACES_PORT",
    "Security",
    "SecurityArgs",
]

GATEWAY_PORT: Final = 13000
GATEWAY_TLS_PORT: Final = 13001
ADMIN_PORT: Final = 13080
API_PORT: Final = 8000
DATABASE_PORT: Final = 5432
TRACES_PORT: Final = 4318
"""Of the collector beside the feed."""
_EVERYWHERE: Final = "0.0.0.0/0"

_ROLES: Final = {
    "balancer": "The load balancer of the page and the API",
    "gateway": "The load balancer of the gateway",
    "feed": "The feed's task",
    "api": "The API's tasks",
    "functions": "compact, maintain and migrate",
    "smoke": "The task that looks at a deployment from within",
    "database": "PostgreSQL",
    "endpoints": "AWS's services, within the VPC",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityArgs:
    """Whom to let in.

    Attributes:
        vpc_id: where.
        page_cidrs: who may reach the page.
        gateway_cidrs: who may subscribe, through the gateway's load balancer.
        tls: whether page and gateway have TLS.
        database_port: of an external database; None for one in this VPC.
        source_port: of the gateway that the feed follows; None if it follows none.
        isolated: whether AWS is reached by endpoints only.
        s3_prefix_list: S3's addresses, for the gateway endpoint.
    """

    vpc_id: pulumi.Input[str]
    page_cidrs: Sequence[str]
    gateway_cidrs: Sequence[str]
    tls: bool
    database_port: int | None
    source_port: int | None
    isolated: bool
    s3_prefix_list: pulumi.Input[str]


@dataclass(frozen=True, slots=True)
class _Way:
    """From a role or network to a role or network, on a TCP port."""

    source: str
    target: str
    port: int


class Security(pulumi.ComponentResource):
    """The groups, by role."""

    def __init__(self, name: str, args: SecurityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("depthcast:infra:Security", name, None, opts)
        self._name = name
        self._args = args
        self._here = pulumi.ResourceOptions(parent=self)
        self.groups = {
            role: aws.ec2.SecurityGroup(
                f"{name}-{role}",
                vpc_id=args.vpc_id,
                description=text,
                revoke_rules_on_delete=True,
                tags={"Name": f"{name}-{role}"},
                opts=self._here,
            )
            for role, text in _ROLES.items()
            if role != "endpoints" or args.isolated
        }
        for way in [*_within(args), *_from_outside(args), *_to_outside(args)]:
            self._let(way)
        self.register_outputs({})

    def of(self, role: str) -> pulumi.Output[str]:
        """The group of a role."""
        return self.groups[role].id

    def _let(self, way: _Way) -> None:
        """One end's rule for leaving and the other's for entering; an end outside has none."""
        label = f"{self._name}-{_word(way.source)}-to-{_word(way.target)}-{way.port}"
        if way.source in self.groups:
            cidr, group, prefix_list = self._end(way.target)
            aws.vpc.SecurityGroupEgressRule(
                label,
                security_group_id=self.of(way.source),
                ip_protocol="tcp",
                from_port=way.port,
                to_port=way.port,
                cidr_ipv4=cidr,
                prefix_list_id=prefix_list,
                referenced_security_group_id=group,
                opts=self._here,
            )
        if way.target in self.groups:
            cidr, group, _ = self._end(way.source)
            aws.vpc.SecurityGroupIngressRule(
                label,
                security_group_id=self.of(way.target),
                ip_protocol="tcp",
                from_port=way.port,
                to_port=way.port,
                cidr_ipv4=cidr,
                referenced_security_group_id=group,
                opts=self._here,
            )

    def _end(self, end: str) -> tuple[str | None, pulumi.Output[str] | None, pulumi.Input[str] | None]:
        if end in self.groups:
            return None, self.of(end), None
        if end == "s3":
            return None, None, self._args.s3_prefix_list
        return end, None, None


def _within(args: SecurityArgs) -> Iterator[_Way]:
    yield _Way("balancer", "api", API_PORT)
    yield _Way("gateway", "feed", GATEWAY_PORT)
    yield _Way("gateway", "feed", ADMIN_PORT)
    yield _Way("api", "feed", GATEWAY_PORT)
    yield _Way("functions", "feed", TRACES_PORT)
    yield _Way("smoke", "api", API_PORT)
    yield _Way("smoke", "feed", GATEWAY_PORT)
    for role in ("api", "functions"):
        if args.database_port is None:
            yield _Way(role, "database", DATABASE_PORT)
        else:
            yield _Way(role, _EVERYWHERE, args.database_port)


def _from_outside(args: SecurityArgs) -> Iterator[_Way]:
    for cidr in args.page_cidrs:
        yield _Way(cidr, "balancer", 80)
        if args.tls:
            yield _Way(cidr, "balancer", 443)
    # Who is inside needs no rule of the balancer: tasks reach the feed by its own name.
    for cidr in args.gateway_cidrs:
        yield _Way(cidr, "gateway", GATEWAY_PORT)
        if args.tls:
            yield _Way(cidr, "gateway", GATEWAY_TLS_PORT)


def _to_outside(args: SecurityArgs) -> Iterator[_Way]:
    """AWS's own services, and the source."""
    for role in ("feed", "api", "functions", "smoke"):
        if args.isolated:
            yield _Way(role, "endpoints", 443)
            yield _Way(role, "s3", 443)
        else:
            yield _Way(role, _EVERYWHERE, 443)
    if args.source_port is not None and (args.isolated or args.source_port != 443):
        yield _Way("feed", _EVERYWHERE, args.source_port)


def _word(end: str) -> str:
    return "everywhere" if end == _EVERYWHERE else end.replace("/", "-").replace(":", "-")
