"""What the load balancer of the page refuses: too many requests of one address, and what AWS's rules know
as attacks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import pulumi
import pulumi_aws as aws
from pulumi_aws import wafv2

__all__ = ["Firewall", "FirewallArgs"]

T = TypeVar("T")

_MANAGED: Final = (
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesKnownBadInputsRuleSet",
    "AWSManagedRulesCommonRuleSet",
)
_PROGRAMS: Final = "NoUserAgent_HEADER"
"""Programs need not say what they are: that is only counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallArgs:
    """Attributes: balancer_arn: what it stands before. requests: of one address in five minutes."""

    balancer_arn: pulumi.Input[str]
    requests: int


class Firewall(pulumi.ComponentResource):
    """A web ACL of WAF. A WebSocket is one request, however long it lives."""

    def __init__(self, name: str, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("depthcast:infra:Firewall", name, None, opts)
        here = pulumi.ResourceOptions(parent=self)
        self.acl = wafv2.WebAcl(
            name,
            scope="REGIONAL",
            default_action=wafv2.WebAclDefaultActionArgs(allow=wafv2.WebAclDefaultActionAllowArgs()),
            visibility_config=_seen(wafv2.WebAclVisibilityConfigArgs, name),
            rules=[
                _rate(args.requests),
                *(_managed(number, each) for number, each in enumerate(_MANAGED, 1)),
            ],
            opts=here,
        )
        aws.wafv2.WebAclAssociation(name, resource_arn=args.balancer_arn, web_acl_arn=self.acl.arn, opts=here)
        self.register_outputs({})


def _rate(requests: int) -> wafv2.WebAclRuleArgs:
    return wafv2.WebAclRuleArgs(
        name="rate",
        priority=0,
        action=wafv2.WebAclRuleActionArgs(block=wafv2.WebAclRuleActionBlockArgs()),
        statement=wafv2.WebAclRuleStatementArgs(
            rate_based_statement=wafv2.WebAclRuleStatementRateBasedStatementArgs(
                limit=requests, aggregate_key_type="IP", evaluation_window_sec=300
            )
        ),
        visibility_config=_seen(wafv2.WebAclRuleVisibilityConfigArgs, "rate"),
    )


def _managed(priority: int, name: str) -> wafv2.WebAclRuleArgs:
    count = wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArgs(
        name=_PROGRAMS,
        action_to_use=wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideActionToUseArgs(
            count=wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideActionToUseCountArgs()
        ),
    )
    none = wafv2.WebAclRuleOverrideActionNoneArgs()  # type: ignore[no-untyped-call]
    return wafv2.WebAclRuleArgs(
        name=name,
        priority=priority,
        override_action=wafv2.WebAclRuleOverrideActionArgs(none=none),
        statement=wafv2.WebAclRuleStatementArgs(
            managed_rule_group_statement=wafv2.WebAclRuleStatementManagedRuleGroupStatementArgs(
                vendor_name="AWS",
                name=name,
                rule_action_overrides=[count] if name == "AWSManagedRulesCommonRuleSet" else [],
            )
        ),
        visibility_config=_seen(wafv2.WebAclRuleVisibilityConfigArgs, name),
    )


def _seen(kind: Callable[..., T], name: str) -> T:
    return kind(cloudwatch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True)
