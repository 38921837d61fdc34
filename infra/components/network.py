"""The VPC: public subnets for what is reached from outside, private ones for tasks, isolated ones for the
database."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

__all__ = ["Network", "NetworkArgs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkArgs:
    """Attributes: cidr: a /16. region. zones: names. nat_gateways: 0, 1 or one a zone."""

    cidr: str
    region: pulumi.Input[str]
    zones: Sequence[str]
    nat_gateways: int


class Network(pulumi.ComponentResource):
    """Three tiers of subnets over the zones, and their routes."""

    vpc: aws.ec2.Vpc
    public: list[aws.ec2.Subnet]
    private: list[aws.ec2.Subnet]
    isolated: list[aws.ec2.Subnet]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("depthcast:infra:Network", name, None, opts)
        self._name = name
        self._zones = args.zones
        self._here = pulumi.ResourceOptions(parent=self)
        self.vpc = aws.ec2.Vpc(
            name,
            cidr_block=args.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags={"Name": name},
            opts=self._here,
        )
        # The group that comes with a VPC lets its members speak to each other: nobody is in it, and it
        # lets nothing.
        aws.ec2.DefaultSecurityGroup(f"{name}-default", vpc_id=self.vpc.id, opts=self._here)
        blocks = list(ipaddress.ip_network(args.cidr).subnets(new_prefix=20))
        self.public_cidrs = [str(block) for block in blocks[0 : len(args.zones)]]
        self.public = self._subnets("public", self.public_cidrs)
        self.private = self._subnets("private", [str(block) for block in blocks[4 : 4 + len(args.zones)]])
        self.isolated = self._subnets("isolated", [str(block) for block in blocks[8 : 8 + len(args.zones)]])
        self._routes_to_the_internet()
        private_routes = self._routes_out(args.nat_gateways)
        self._join("isolated", self.isolated, [self._table("isolated")] * len(args.zones))
        # Segments go to S3 without passing a NAT gateway, which would cost as much as it stores.
        self.s3 = aws.ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=self.vpc.id,
            service_name=pulumi.Output.concat("com.amazonaws.", args.region, ".s3"),
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in private_routes],
            tags={"Name": f"{name}-s3"},
            opts=self._here,
        )
        self.register_outputs({"vpc": self.vpc.id})

    def _subnets(self, tier: str, cidrs: Sequence[str]) -> list[aws.ec2.Subnet]:
        return [
            aws.ec2.Subnet(
                f"{self._name}-{tier}-{number}",
                vpc_id=self.vpc.id,
                availability_zone=zone,
                cidr_block=cidr,
                map_public_ip_on_launch=False,
                tags={"Name": f"{self._name}-{tier}-{number}"},
                opts=self._here,
            )
            for number, (zone, cidr) in enumerate(zip(self._zones, cidrs, strict=True))
        ]

    def _table(self, tier: str) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(
            f"{self._name}-{tier}", vpc_id=self.vpc.id, tags={"Name": f"{self._name}-{tier}"}, opts=self._here
        )

    def _join(
        self, tier: str, subnets: Sequence[aws.ec2.Subnet], tables: Sequence[aws.ec2.RouteTable]
    ) -> None:
        for number, (subnet, table) in enumerate(zip(subnets, tables, strict=True)):
            aws.ec2.RouteTableAssociation(
                f"{self._name}-{tier}-{number}", subnet_id=subnet.id, route_table_id=table.id, opts=self._here
            )

    def _routes_to_the_internet(self) -> None:
        gateway = aws.ec2.InternetGateway(
            self._name, vpc_id=self.vpc.id, tags={"Name": self._name}, opts=self._here
        )
        table = self._table("public")
        self.internet_route = aws.ec2.Route(
            f"{self._name}-internet",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway.id,
            opts=self._here,
        )
        self._join("public", self.public, [table] * len(self.public))

    def _routes_out(self, nat_gateways: int) -> list[aws.ec2.RouteTable]:
        """A table a zone, so that a zone with a NAT gateway of its own does not go through another."""
        gateways = []
        for number in range(nat_gateways):
            tags = {"Name": f"{self._name}-nat-{number}"}
            address = aws.ec2.Eip(f"{self._name}-nat-{number}", domain="vpc", tags=tags, opts=self._here)
            gateways.append(
                aws.ec2.NatGateway(
                    f"{self._name}-nat-{number}",
                    allocation_id=address.id,
                    subnet_id=self.public[number].id,
                    tags=tags,
                    opts=pulumi.ResourceOptions(parent=self, depends_on=[self.internet_route]),
                )
            )
        tables = [self._table(f"private-{number}") for number in range(len(self.private))]
        for number, table in enumerate(tables):
            if gateways:
                aws.ec2.Route(
                    f"{self._name}-out-{number}",
                    route_table_id=table.id,
                    destination_cidr_block="0.0.0.0/0",
                    nat_gateway_id=gateways[number % len(gateways)].id,
                    opts=self._here,
                )
        self._join("private", self.private, tables)
        return tables
