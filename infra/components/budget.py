"""A budget of the month: somebody is told before it is spent."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

__all__ = ["Budget", "BudgetArgs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetArgs:
    """Attributes: stack: by whose tag costs are counted. usd: a month. topic: of SNS."""

    stack: str
    usd: int
    topic: pulumi.Input[str]


class Budget(pulumi.ComponentResource):
    """Told at 80 % spent, and when the month is expected to go over it."""

    def __init__(self, name: str, args: BudgetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("depthcast:infra:Budget", name, None, opts)
        aws.budgets.Budget(
            f"{name}-month",
            budget_type="COST",
            limit_amount=str(args.usd),
            limit_unit="USD",
            time_unit="MONTHLY",
            cost_filters=[
                aws.budgets.BudgetCostFilterArgs(name="TagKeyValue", values=[f"user:stack${args.stack}"])
            ],
            notifications=[
                aws.budgets.BudgetNotificationArgs(
                    comparison_operator="GREATER_THAN",
                    notification_type=kind,
                    threshold=threshold,
                    threshold_type="PERCENTAGE",
                    subscriber_sns_topic_arns=[args.topic],
                )
                for kind, threshold in (("ACTUAL", 80), ("FORECASTED", 100))
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
