"""Who can speak to whom in a stack: worked out of its security groups, their rules, and the routes of its
subnets."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.stacks import Built, Resource

__all__ = ["Reach"]

_OUTSIDE = "198.51.100.9"


@dataclass(frozen=True, slots=True)
class Reach:
    """What is reached from where, in one stack."""

    built: Built

    def group(self, role: str) -> str:
        """The group of a role."""
        return self.built.one("ec2/securityGroup:SecurityGroup", f"-{role}").id

    def groups(self) -> dict[str, str]:
        """Every role that has a group, and the group."""
        return {
            each.name.rsplit("-", 1)[-1]: each.id for each in self.built.of("ec2/securityGroup:SecurityGroup")
        }

    def speaks(self, source: str, target: str, port: int) -> bool:
        """Whether one role may open a connection to another: out of the one's group, into the other's."""
        leaves = any(
            each.inputs.get("referencedSecurityGroupId") == self.group(target)
            for each in self._rules("Egress", self.group(source), port)
        )
        enters = any(
            each.inputs.get("referencedSecurityGroupId") == self.group(source)
            for each in self._rules("Ingress", self.group(target), port)
        )
        return leaves and enters

    def leaves(self, role: str, port: int, to: str = _OUTSIDE) -> bool:
        """Whether a role's group lets it connect to an address."""
        return any(_has(each, to) for each in self._rules("Egress", self.group(role), port))

    def enters(self, role: str, port: int, whence: str = _OUTSIDE) -> bool:
        """Whether a role's group lets an address in."""
        return any(_has(each, whence) for each in self._rules("Ingress", self.group(role), port))

    def sources(self, role: str) -> set[str]:
        """Every group and network that is let into a role's group, on whatever port."""
        return {
            str(each.inputs.get("referencedSecurityGroupId") or each.inputs.get("cidrIpv4"))
            for each in self.built.of("vpc/securityGroupIngressRule:SecurityGroupIngressRule")
            if each.inputs["securityGroupId"] == self.group(role)
        }

    def way_out(self, subnet_id: str) -> str | None:
        """Where a subnet's traffic to the internet goes: ``internet``, ``nat``, or None for nowhere."""
        tables = {
            each.inputs["subnetId"]: each.inputs["routeTableId"]
            for each in self.built.of("ec2/routeTableAssociation:RouteTableAssociation")
        }
        for route in self.built.of("ec2/route:Route"):
            if route.inputs["routeTableId"] == tables[subnet_id]:
                return "internet" if "gatewayId" in route.inputs else "nat"
        return None

    def _rules(self, way: str, group: str, port: int) -> Iterator[Resource]:
        kind = f"vpc/securityGroup{way}Rule:SecurityGroup{way}Rule"
        for each in self.built.of(kind):
            rule = each.inputs
            if rule["securityGroupId"] == group and rule["fromPort"] <= port <= rule["toPort"]:
                yield each


def _has(rule: Resource, address: str) -> bool:
    cidr = rule.inputs.get("cidrIpv4")
    return cidr is not None and ipaddress.ip_address(address) in ipaddress.ip_network(cidr)
