"""Who is told of what: a topic, an address, and the alarms that are worth waking somebody for."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

__all__ = ["Alarm", "Alarms", "AlarmsArgs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm on one metric.

    Attributes:
        namespace, metric, dimensions, statistic: what is looked at.
        over, under: it is raised while the metric is beyond this.
        minutes: for so long.
        missing: how silence is taken: notBreaching, breaching.
        text: what it means, and what to do.
    """

    namespace: str
    metric: str
    dimensions: Mapping[str, pulumi.Input[str]]
    statistic: str = "Maximum"
    over: float | None = None
    under: float | None = None
    minutes: int = 5
    missing: str = "notBreaching"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmsArgs:
    """Attributes: account. key: of KMS. email: empty for nobody. alarms: by name."""

    account: pulumi.Input[str]
    key: pulumi.Input[str]
    email: str
    alarms: Mapping[str, Alarm]


class Alarms(pulumi.ComponentResource):
    """Attributes: topic: of SNS. alarms: by name."""

    def __init__(self, name: str, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("depthcast:infra:Alarms", name, None, opts)
        here = pulumi.ResourceOptions(parent=self)
        self.topic = aws.sns.Topic(f"{name}-alarms", kms_master_key_id=args.key, opts=here)
        may_publish = {
            "Effect": "Allow",
            "Principal": {"Service": ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]},
            "Action": "sns:Publish",
            "Resource": self.topic.arn,
            "Condition": {"StringEquals": {"aws:SourceAccount": args.account}},
        }
        self.policy = aws.sns.TopicPolicy(
            f"{name}-alarms",
            arn=self.topic.arn,
            policy=pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [may_publish]}),
            opts=here,
        )
        if args.email:
            aws.sns.TopicSubscription(
                f"{name}-alarms", topic=self.topic.arn, protocol="email", endpoint=args.email, opts=here
            )
        self.alarms = {key: self._alarm(f"{name}-{key}", alarm) for key, alarm in args.alarms.items()}
        self.register_outputs({"topic": self.topic.arn})

    def _alarm(self, name: str, alarm: Alarm) -> aws.cloudwatch.MetricAlarm:
        over = alarm.over is not None
        return aws.cloudwatch.MetricAlarm(
            name,
            alarm_description=alarm.text,
            namespace=alarm.namespace,
            metric_name=alarm.metric,
            dimensions=dict(alarm.dimensions),
            statistic=alarm.statistic,
            period=60,
            evaluation_periods=alarm.minutes,
            threshold=alarm.over if alarm.over is not None else alarm.under,
            comparison_operator="GreaterThanThreshold" if over else "LessThanThreshold",
            treat_missing_data=alarm.missing,
            alarm_actions=[self.topic.arn],
            ok_actions=[self.topic.arn],
            opts=pulumi.ResourceOptions(parent=self),
        )
