"""The functions: ``migrate`` before the services roll, ``compact`` for each new segment, ``maintain``
every hour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pulumi
import pulumi_aws as aws

from infra.components.database import Access
from infra.components.roles import Statement, allow, role
from infra.components.storage import JOURNAL, Storage
from infra.components.tasks import Cluster

__all__ = ["Functions", "FunctionsArgs"]

_TIMEOUT_S: Final = {"compact": 300, "maintain": 900, "migrate": 900}
_MEMORY_MIB: Final = {"compact": 1769, "maintain": 1769, "migrate": 512}
"""1,769 MiB is one processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionsArgs:
    """The functions of a stack.

    Attributes:
        image: with its digest; digest: that alone: a new one migrates.
        subnets, group: where they run.
        owner, writer: how they connect to the database.
        concurrency: invocations of ``compact`` at a time, each with a connection.
        namespace: of their metrics.
        traces: where spans go; None for nowhere.
        after: what must be there before the schema is migrated.
    """

    image: pulumi.Input[str]
    digest: pulumi.Input[str]
    subnets: Sequence[pulumi.Input[str]]
    group: pulumi.Input[str]
    owner: Access
    writer: Access
    concurrency: int
    namespace: str
    traces: str | None
    after: Sequence[pulumi.Resource] = field(default_factory=list)


class Functions(pulumi.ComponentResource):
    """Attributes: functions, logs: by name. migrated: done when the schema is that of the image."""

    def __init__(
        self,
        name: str,
        cluster: Cluster,
        storage: Storage,
        args: FunctionsArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("depthcast:infra:Functions", name, None, opts)
        self._name = name
        self._cluster = cluster
        self._args = args
        self._here = pulumi.ResourceOptions(parent=self)
        self.logs: dict[str, aws.cloudwatch.LogGroup] = {}
        self.functions: dict[str, aws.lambda_.Function] = {}
        journal = {"DEPTHCAST_JOURNAL_STORE": storage.journal_url}
        reads = storage.reads(f"{JOURNAL}/journal")
        sends = allow(["kms:GenerateDataKey", "kms:Decrypt"], storage.key)
        takes = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        self._function("migrate", args.owner.variables, args.owner.statements)
        self._function(
            "compact",
            {
                **args.writer.variables,
                **journal,
                "DEPTHCAST_FUNCTIONS_DEAD_LETTERS": storage.dead_letters.url,
            },
            [
                *args.writer.statements,
                *reads,
                allow(takes, storage.segments.arn),
                allow("sqs:SendMessage", storage.dead_letters.arn),
                sends,
            ],
        )
        self._function(
            "maintain",
            {**args.writer.variables, **journal, "DEPTHCAST_FUNCTIONS_SEGMENTS": storage.segments.url},
            [
                *args.writer.statements,
                *reads,
                *storage.writes(f"{JOURNAL}/journal", deletes=True),
                allow("sqs:SendMessage", storage.segments.arn),
                sends,
            ],
        )
        self.migrated = aws.lambda_.Invocation(
            f"{name}-migrate",
            function_name=self.functions["migrate"].name,
            input="{}",
            triggers={"digest": args.digest},
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
        )
        self._on_segments(storage)
        self._on_schedule()
        self.register_outputs({})

    def _function(
        self,
        which: str,
        variables: Mapping[str, pulumi.Input[str]],
        statements: Sequence[Statement],
    ) -> None:
        name = f"{self._name}-{which}"
        logs = self.logs[which] = self._cluster.logs(name, parent=self)
        may_log = allow(["logs:CreateLogStream", "logs:PutLogEvents"], pulumi.Output.concat(logs.arn, ":*"))
        may_trace = allow(
            ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "*"
        )  # X-Ray knows no resources
        runs = role(
            name,
            "lambda.amazonaws.com",
            [*statements, may_log, may_trace],
            parent=self,
            managed=["AWSLambdaVPCAccessExecutionRole"],
        )
        more = {"OTEL_EXPORTER_OTLP_ENDPOINT": self._args.traces} if self._args.traces else {}
        self.functions[which] = aws.lambda_.Function(
            name,
            package_type="Image",
            image_uri=self._args.image,
            image_config=aws.lambda_.FunctionImageConfigArgs(
                entry_points=["python", "-m", "awslambdaric"],
                commands=[f"functions.{which}.handler.handler"],
                working_directory="/srv/depthcast",
            ),
            architectures=["x86_64"],
            role=runs,
            timeout=_TIMEOUT_S[which],
            memory_size=_MEMORY_MIB[which],
            vpc_config=aws.lambda_.FunctionVpcConfigArgs(
                subnet_ids=list(self._args.subnets), security_group_ids=[self._args.group]
            ),
            logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=logs.name),
            tracing_config=aws.lambda_.FunctionTracingConfigArgs(mode="Active"),
            environment=aws.lambda_.FunctionEnvironmentArgs(
                variables={
                    "DEPTHCAST_ENVIRONMENT": self._cluster.args.stage,
                    "POWERTOOLS_METRICS_NAMESPACE": self._args.namespace,
                    **variables,
                    **more,
                }
            ),
            opts=self._here,
        )

    def _on_segments(self, storage: Storage) -> None:
        compact = self.functions["compact"]
        aws.lambda_.EventSourceMapping(
            f"{self._name}-segments",
            event_source_arn=storage.segments.arn,
            function_name=compact.arn,
            batch_size=10,
            maximum_batching_window_in_seconds=5,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=aws.lambda_.EventSourceMappingScalingConfigArgs(
                maximum_concurrency=self._args.concurrency
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.migrated]),
        )

    def _on_schedule(self) -> None:
        maintain = self.functions["maintain"]
        name = f"{self._name}-maintain"
        rule = aws.cloudwatch.EventRule(
            name,
            description="Keep the database and the journal in order",
            schedule_expression="rate(1 hour)",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.migrated]),
        )
        aws.lambda_.Permission(
            name,
            action="lambda:InvokeFunction",
            function=maintain.name,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
            opts=self._here,
        )
        aws.cloudwatch.EventTarget(name, rule=rule.name, arn=maintain.arn, opts=self._here)
