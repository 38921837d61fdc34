"""The API and its page: identical tasks behind a load balancer, as many as their clients need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pulumi
import pulumi_aws as aws
from pulumi_aws import appautoscaling as tracking

from infra.components.roles import Statement
from infra.components.security import API_PORT
from infra.components.tasks import Cluster, Container, TaskArgs, task

__all__ = ["Api", "ApiArgs"]

_Dimension = tracking.PolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationDimensionArgs
_KEYS_FILE: Final = "/var/lib/depthcast/keys/api.json"
_KEYS_EVERY_S: Final = 15
_FOLLOW_SECRET: Final = Path(__file__).resolve().parents[1] / "assets" / "follow_secret.py"
_IDLE_S: Final = 300
"""Pings come every 20 s, and heartbeats every second; the service keeps idle connections a little longer
than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiArgs:
    """The API of a stack.

    Attributes:
        vpc_id, task_subnets, task_group: where tasks are.
        balancer_subnets, balancer_group: where its clients are let in.
        certificate_arn: for HTTPS; None for plain HTTP.
        logs_bucket: of the load balancer's access logs.
        cpu, memory, least, most: of a task, and how many.
        clients_per_task: streams; None where nobody counts them.
        namespace: of the metrics that count them.
        keys_secret: the API's keys, hashed.
        environment, secrets: variables of the container.
        sidecars: containers beside it.
        statements: what its role allows.
        protect: refuse to delete the load balancer.
        after: what must be there before it runs.
    """

    vpc_id: pulumi.Input[str]
    task_subnets: Sequence[pulumi.Input[str]]
    task_group: pulumi.Input[str]
    balancer_subnets: Sequence[pulumi.Input[str]]
    balancer_group: pulumi.Input[str]
    certificate_arn: pulumi.Input[str] | None
    logs_bucket: pulumi.Input[str]
    cpu: int
    memory: int
    least: int
    most: int
    clients_per_task: int | None
    namespace: str
    keys_secret: pulumi.Input[str]
    environment: Mapping[str, pulumi.Input[str]]
    secrets: Mapping[str, pulumi.Input[str]]
    sidecars: Sequence[Container] = ()
    statements: Sequence[Statement]
    protect: bool
    after: Sequence[pulumi.Resource] = field(default_factory=list)


class Api(pulumi.ComponentResource):
    """Attributes: service. balancer, target: of the page and the API."""

    def __init__(
        self, name: str, cluster: Cluster, args: ApiArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("depthcast:infra:Api", name, None, opts)
        self._name = name
        self._args = args
        self._here = pulumi.ResourceOptions(parent=self)
        self.balancer = self._balancer()
        self.target = self._target()
        listeners = self._listeners()
        self.service = aws.ecs.Service(
            name,
            cluster=cluster.cluster.arn,
            task_definition=self._task(cluster).arn,
            launch_type="FARGATE",
            platform_version="1.4.0",
            desired_count=args.least,
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=200,
            deployment_circuit_breaker=aws.ecs.ServiceDeploymentCircuitBreakerArgs(
                enable=True, rollback=True
            ),
            # Until the feed is there and its books are filled nobody is ready: that restarts nothing for
            # ten minutes.
            health_check_grace_period_seconds=600,
            network_configuration=aws.ecs.ServiceNetworkConfigurationArgs(
                subnets=list(args.task_subnets), security_groups=[args.task_group], assign_public_ip=False
            ),
            load_balancers=[
                aws.ecs.ServiceLoadBalancerArgs(
                    target_group_arn=self.target.arn, container_name="api", container_port=API_PORT
                )
            ],
            service_registries=aws.ecs.ServiceServiceRegistriesArgs(
                registry_arn=cluster.discovery(name, "api", parent=self).arn
            ),
            propagate_tags="SERVICE",
            enable_ecs_managed_tags=True,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*listeners, *args.after],
                ignore_changes=["desiredCount"],  # it is the scaling's
            ),
        )
        self._scale(cluster)
        self.register_outputs({"service": self.service.name})

    def _balancer(self) -> aws.lb.LoadBalancer:
        return aws.lb.LoadBalancer(
            self._name,
            load_balancer_type="application",
            internal=False,
            subnets=list(self._args.balancer_subnets),
            security_groups=[self._args.balancer_group],
            idle_timeout=_IDLE_S,
            drop_invalid_header_fields=True,
            enable_deletion_protection=self._args.protect,
            access_logs=aws.lb.LoadBalancerAccessLogsArgs(bucket=self._args.logs_bucket, enabled=True),
            opts=self._here,
        )

    def _target(self) -> aws.lb.TargetGroup:
        return aws.lb.TargetGroup(
            self._name,
            vpc_id=self._args.vpc_id,
            protocol="HTTP",
            port=API_PORT,
            target_type="ip",
            load_balancing_algorithm_type="least_outstanding_requests",
            deregistration_delay=60,
            health_check=aws.lb.TargetGroupHealthCheckArgs(
                protocol="HTTP",
                path="/readyz",
                matcher="200",
                interval=10,
                timeout=5,
                healthy_threshold=2,
                unhealthy_threshold=3,
            ),
            opts=self._here,
        )

    def _listeners(self) -> list[aws.lb.Listener]:
        forward = aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=self.target.arn)
        if self._args.certificate_arn is None:
            return [
                aws.lb.Listener(
                    self._name,
                    load_balancer_arn=self.balancer.arn,
                    protocol="HTTP",
                    port=80,
                    default_actions=[forward],
                    opts=self._here,
                )
            ]
        to_https = aws.lb.ListenerDefaultActionArgs(
            type="redirect",
            redirect=aws.lb.ListenerDefaultActionRedirectArgs(
                protocol="HTTPS", port="443", status_code="HTTP_301"
            ),
        )
        return [
            aws.lb.Listener(
                f"{self._name}-http",
                load_balancer_arn=self.balancer.arn,
                protocol="HTTP",
                port=80,
                default_actions=[to_https],
                opts=self._here,
            ),
            aws.lb.Listener(
                self._name,
                load_balancer_arn=self.balancer.arn,
                protocol="HTTPS",
                port=443,
                ssl_policy="ELBSecurityPolicy-TLS13-1-2-2021-06",
                certificate_arn=self._args.certificate_arn,
                default_actions=[forward],
                opts=self._here,
            ),
        ]

    def _task(self, cluster: Cluster) -> aws.ecs.TaskDefinition:
        keys = Container(
            name="keys",
            entry=["python", "-c", _FOLLOW_SECRET.read_text(encoding="utf-8")],
            command=[self._args.keys_secret, _KEYS_FILE, str(_KEYS_EVERY_S)],
            health=["test", "-s", _KEYS_FILE],
        )
        api = Container(
            name="api",
            command=["api"],
            environment={"DEPTHCAST_API_KEYS_FILE": _KEYS_FILE, **self._args.environment},
            secrets=self._args.secrets,
            ports=[API_PORT],
            after=["keys"],
        )
        return task(
            self._name,
            cluster,
            TaskArgs(
                cpu=self._args.cpu,
                memory=self._args.memory,
                containers=[keys, api, *self._args.sidecars],
                statements=self._args.statements,
            ),
            parent=self,
        )

    def _scale(self, cluster: Cluster) -> None:
        """By CPU, and by the streams of a task."""
        target = aws.appautoscaling.Target(
            self._name,
            service_namespace="ecs",
            scalable_dimension="ecs:service:DesiredCount",
            resource_id=pulumi.Output.concat("service/", cluster.cluster.name, "/", self.service.name),
            min_capacity=self._args.least,
            max_capacity=self._args.most,
            opts=self._here,
        )
        cpu = tracking.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs(
            predefined_metric_type="ECSServiceAverageCPUUtilization"
        )
        measures: dict[str, tuple[float, dict[str, Any]]] = {
            "cpu": (60.0, {"predefined_metric_specification": cpu})
        }
        if self._args.clients_per_task is not None:
            of_api = _Dimension(name="service", value="api")
            clients = (
                tracking.PolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationArgs(
                    namespace=self._args.namespace,
                    metric_name="depthcast_stream_clients",
                    dimensions=[of_api],
                    statistic="Average",
                )
            )
            streams = float(self._args.clients_per_task)
            measures["clients"] = (streams, {"customized_metric_specification": clients})
        for word, (value, measure) in measures.items():
            aws.appautoscaling.Policy(
                f"{self._name}-{word}",
                policy_type="TargetTrackingScaling",
                service_namespace=target.service_namespace,
                scalable_dimension=target.scalable_dimension,
                resource_id=target.resource_id,
                target_tracking_scaling_policy_configuration=(
                    tracking.PolicyTargetTrackingScalingPolicyConfigurationArgs(
                        target_value=value, scale_out_cooldown=60, scale_in_cooldown=600, **measure
                    )
                ),
                opts=self._here,
            )
