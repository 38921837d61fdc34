"""The pack, as Pulumi runs it. The rules themselves are plain functions, in `infra.policy.rules`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)

from infra.policy.rules import RULES, Rule


def policy(rule: Rule) -> ResourceValidationPolicy:
    """A rule in Pulumi's words."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for problem in rule.check(args.resource_type, args.props):
            report(problem, None)

    return ResourceValidationPolicy(name=rule.name, description=rule.text, validate=validate)


PolicyPack(
    name="depthcast",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[policy(rule) for rule in RULES],
)
