"""The feed: one task, and the load balancer by which subscribers outside the VPC reach its gateway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pulumi
import pulumi_aws as aws

from infra.components.roles import Statement
from infra.components.security import ADMIN_PORT, GATEWAY_PORT, GATEWAY_TLS_PORT
from infra.components.tasks import Cluster, Container, TaskArgs, task

__all__ = ["Feed", "FeedArgs"]

_GIB: Final = 2**30
_SYSTEM_GIB: Final = 11
"""Of a task's disk: the image, logs on their way, and room for the segment that is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedArgs:
    """The feed of a stack.

    Attributes:
        vpc_id, task_subnets, task_group: where the task is.
        balancer_subnets, balancer_group, public: where subscribers are let in.
        certificate_arn: for TLS on 13001; None for none.
        source, cpu, memory, disk_gib: as in the settings.
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
    public: bool
    certificate_arn: pulumi.Input[str] | None
    source: str
    cpu: int
    memory: int
    disk_gib: int
    environment: Mapping[str, pulumi.Input[str]]
    secrets: Mapping[str, pulumi.Input[str]]
    sidecars: Sequence[Container] = ()
    statements: Sequence[Statement]
    protect: bool
    after: Sequence[pulumi.Resource] = field(default_factory=list)


class Feed(pulumi.ComponentResource):
    """Attributes: service. balancer, target: of the gateway."""

    def __init__(
        self, name: str, cluster: Cluster, args: FeedArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("depthcast:infra:Feed", name, None, opts)
        self._name = name
        self._args = args
        self._here = pulumi.ResourceOptions(parent=self)
        self.balancer = self._balancer()
        self.target = self._target()
        listeners = self._listeners()
        definition = self._task(cluster)
        found_by = cluster.discovery(name, "feed", parent=self)
        self.service = aws.ecs.Service(
            name,
            cluster=cluster.cluster.arn,
            task_definition=definition.arn,
            launch_type="FARGATE",
            platform_version="1.4.0",
            desired_count=1,
            # One writer a journal: the old task ends before the new one begins.
            deployment_minimum_healthy_percent=0,
            deployment_maximum_percent=100,
            deployment_circuit_breaker=aws.ecs.ServiceDeploymentCircuitBreakerArgs(
                enable=True, rollback=True
            ),
            availability_zone_rebalancing="DISABLED",
            health_check_grace_period_seconds=300,
            network_configuration=aws.ecs.ServiceNetworkConfigurationArgs(
                subnets=list(args.task_subnets), security_groups=[args.task_group], assign_public_ip=False
            ),
            load_balancers=[
                aws.ecs.ServiceLoadBalancerArgs(
                    target_group_arn=self.target.arn, container_name="feed", container_port=GATEWAY_PORT
                )
            ],
            service_registries=aws.ecs.ServiceServiceRegistriesArgs(registry_arn=found_by.arn),
            propagate_tags="SERVICE",
            enable_ecs_managed_tags=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*listeners, *args.after]),
        )
        self.register_outputs({"service": self.service.name})

    def _balancer(self) -> aws.lb.LoadBalancer:
        return aws.lb.LoadBalancer(
            self._name,
            load_balancer_type="network",
            internal=not self._args.public,
            subnets=list(self._args.balancer_subnets),
            security_groups=[self._args.balancer_group],
            enable_cross_zone_load_balancing=True,  # there is one task, in one of the zones
            enable_deletion_protection=self._args.protect,
            opts=self._here,
        )

    def _target(self) -> aws.lb.TargetGroup:
        """Sessions are limited by their own address, so it is kept. Who is connected stays, also when a
        check fails."""
        return aws.lb.TargetGroup(
            self._name,
            vpc_id=self._args.vpc_id,
            protocol="TCP",
            port=GATEWAY_PORT,
            target_type="ip",
            preserve_client_ip="true",
            deregistration_delay=120,
            connection_termination=False,
            target_health_states=[
                aws.lb.TargetGroupTargetHealthStateArgs(enable_unhealthy_connection_termination=False)
            ],
            health_check=aws.lb.TargetGroupHealthCheckArgs(
                protocol="HTTP",
                port=str(ADMIN_PORT),
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
        """Plain TCP, as the protocol has it; TLS if there is a certificate. Heartbeats come before either
        idle timeout."""
        forward = aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=self.target.arn)
        listeners = [
            aws.lb.Listener(
                self._name,
                load_balancer_arn=self.balancer.arn,
                protocol="TCP",
                port=GATEWAY_PORT,
                tcp_idle_timeout_seconds=350,
                default_actions=[forward],
                opts=self._here,
            )
        ]
        if self._args.certificate_arn is not None:
            listeners.append(
                aws.lb.Listener(
                    f"{self._name}-tls",
                    load_balancer_arn=self.balancer.arn,
                    protocol="TLS",
                    port=GATEWAY_TLS_PORT,
                    ssl_policy="ELBSecurityPolicy-TLS13-1-2-2021-06",
                    certificate_arn=self._args.certificate_arn,
                    default_actions=[forward],
                    opts=self._here,
                )
            )
        return listeners

    def _task(self, cluster: Cluster) -> aws.ecs.TaskDefinition:
        kept = (self._args.disk_gib - _SYSTEM_GIB) * _GIB
        feed = Container(
            name="feed",
            command=["feed", self._args.source],
            environment={"DEPTHCAST_JOURNAL_RETAIN_BYTES": str(kept), **self._args.environment},
            secrets=self._args.secrets,
            ports=[GATEWAY_PORT, ADMIN_PORT],
            # Whether its threads run. Readiness is the load balancer's: a store that is away restarts no
            # feed.
            health=["depthcast", "health", f"http://127.0.0.1:{ADMIN_PORT}/healthz"],
        )
        return task(
            self._name,
            cluster,
            TaskArgs(
                cpu=self._args.cpu,
                memory=self._args.memory,
                disk_gib=self._args.disk_gib,
                containers=[feed, *self._args.sidecars],
                statements=self._args.statements,
            ),
            parent=self,
        )
