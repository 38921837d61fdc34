"""Tasks of ECS on Fargate: one cluster, one form of container for all that runs there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.components.roles import Statement, allow, role

__all__ = ["Cluster", "ClusterArgs", "Container", "TaskArgs", "task"]

_USER = "10001:10001"
_STATE = "/var/lib/depthcast"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterArgs:
    """Attributes: vpc_id. region. key: of KMS. stage: which file of settings. image: with its digest.
    log_days."""

    vpc_id: pulumi.Input[str]
    region: pulumi.Input[str]
    key: pulumi.Input[str]
    stage: str
    image: pulumi.Input[str]
    log_days: int


class Cluster(pulumi.ComponentResource):
    """Where tasks run, and the names by which they find each other."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("depthcast:infra:Cluster", name, None, opts)
        self.args = args
        self._here = pulumi.ResourceOptions(parent=self)
        setting = aws.ecs.ClusterSettingArgs(name="containerInsights", value="disabled")
        self.cluster = aws.ecs.Cluster(name, settings=[setting], opts=self._here)
        self.domain = f"{name}.internal"
        self._namespace = aws.servicediscovery.PrivateDnsNamespace(
            name, name=self.domain, vpc=args.vpc_id, description="Tasks find each other here", opts=self._here
        )
        self.register_outputs({})

    def address(self, service: str) -> str:
        """The name of a service within the VPC."""
        return f"{service}.{self.domain}"

    def discovery(self, name: str, service: str, *, parent: pulumi.Resource) -> aws.servicediscovery.Service:
        """Give the tasks of a service its name."""
        return aws.servicediscovery.Service(
            name,
            name=service,
            force_destroy=True,
            dns_config=aws.servicediscovery.ServiceDnsConfigArgs(
                namespace_id=self._namespace.id,
                dns_records=[aws.servicediscovery.ServiceDnsConfigDnsRecordArgs(type="A", ttl=10)],
                routing_policy="MULTIVALUE",
            ),
            opts=pulumi.ResourceOptions(parent=parent),
        )

    def logs(self, name: str, *, parent: pulumi.Resource) -> aws.cloudwatch.LogGroup:
        """A group of logs, encrypted, which forgets."""
        return aws.cloudwatch.LogGroup(
            name,
            retention_in_days=self.args.log_days,
            kms_key_id=self.args.key,
            opts=pulumi.ResourceOptions(parent=parent),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container of a task.

    Attributes:
        command, entry: what it runs; without ``entry`` the image's own, ``depthcast``.
        image: another than ours.
        environment, secrets: variables; the secrets' values are ARNs.
        ports: that it listens on.
        health: a command that succeeds while it is well.
        after: containers that must be well before it starts.
        essential: whether the task ends with it.
        state: whether it has the task's folder.
    """

    name: str
    command: Sequence[pulumi.Input[str]] = ()
    entry: Sequence[str] = ()
    image: pulumi.Input[str] | None = None
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    secrets: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    ports: Sequence[int] = ()
    health: Sequence[str] = ()
    after: Sequence[str] = ()
    essential: bool = True
    state: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskArgs:
    """Attributes: cpu, memory: of the task. disk_gib: 21 and more, or 0 for what there is (20).
    containers. statements: of
    its role."""

    cpu: int
    memory: int
    disk_gib: int = 0
    containers: Sequence[Container]
    statements: Sequence[Statement]


def task(name: str, cluster: Cluster, args: TaskArgs, *, parent: pulumi.Resource) -> aws.ecs.TaskDefinition:
    """A task: its log group, the role that starts it, the role that it has, its definition."""
    logs = cluster.logs(name, parent=parent)
    secrets = [arn for each in args.containers for arn in each.secrets.values()]
    starting = [allow("secretsmanager:GetSecretValue", secrets), allow("kms:Decrypt", cluster.args.key)]
    starts = role(
        f"{name}-start",
        "ecs-tasks.amazonaws.com",
        starting if secrets else [],
        parent=parent,
        managed=["AmazonECSTaskExecutionRolePolicy"],
    )
    runs = role(name, "ecs-tasks.amazonaws.com", args.statements, parent=parent)
    return aws.ecs.TaskDefinition(
        name,
        family=name,
        requires_compatibilities=["FARGATE"],
        network_mode="awsvpc",
        cpu=str(args.cpu),
        memory=str(args.memory),
        runtime_platform=aws.ecs.TaskDefinitionRuntimePlatformArgs(
            cpu_architecture="X86_64", operating_system_family="LINUX"
        ),
        ephemeral_storage=aws.ecs.TaskDefinitionEphemeralStorageArgs(size_in_gib=args.disk_gib)
        if args.disk_gib
        else None,
        execution_role_arn=starts,
        task_role_arn=runs,
        volumes=[aws.ecs.TaskDefinitionVolumeArgs(name=each) for each in ("state", "tmp")],
        container_definitions=pulumi.Output.json_dumps(
            [_definition(each, cluster, logs) for each in args.containers]
        ),
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _definition(it: Container, cluster: Cluster, logs: aws.cloudwatch.LogGroup) -> dict[str, Any]:
    variables: dict[str, pulumi.Input[str]] = {
        "AWS_REGION": cluster.args.region,
        "AWS_DEFAULT_REGION": cluster.args.region,  # what boto3 reads
        "DEPTHCAST_ENVIRONMENT": cluster.args.stage,
        **it.environment,
    }
    mounts = [{"sourceVolume": "tmp", "containerPath": "/tmp", "readOnly": False}]  # noqa: S108
    if it.state:
        mounts.append({"sourceVolume": "state", "containerPath": _STATE, "readOnly": False})
    definition: dict[str, Any] = {
        "name": it.name,
        "image": it.image or cluster.args.image,
        "essential": it.essential,
        "command": list(it.command),
        "environment": [{"name": key, "value": value} for key, value in sorted(variables.items())],
        "secrets": [{"name": key, "valueFrom": value} for key, value in sorted(it.secrets.items())],
        "portMappings": [{"containerPort": each, "hostPort": each, "protocol": "tcp"} for each in it.ports],
        "mountPoints": mounts,
        "readonlyRootFilesystem": True,
        "stopTimeout": 120,
        "linuxParameters": {"initProcessEnabled": True, "capabilities": {"drop": ["ALL"]}},
        "ulimits": [{"name": "nofile", "softLimit": 65536, "hardLimit": 65536}],
        "dependsOn": [{"containerName": each, "condition": "HEALTHY"} for each in it.after],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": logs.name,
                "awslogs-region": cluster.args.region,
                "awslogs-stream-prefix": it.name,
                "mode": "non-blocking",
                "max-buffer-size": "8m",
            },
        },
    }
    if it.image is None:
        definition["user"] = _USER
    if it.entry:
        definition["entryPoint"] = list(it.entry)
    if it.health:
        definition["healthCheck"] = {
            "command": ["CMD", *it.health],
            "interval": 10,
            "timeout": 5,
            "retries": 3,
            "startPeriod": 60,
        }
    return definition
