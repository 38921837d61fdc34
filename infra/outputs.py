"""What a stack shows when it is there: addresses, names for the next step of a deployment. No secrets."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.api import Api
from infra.components.database import RdsDatabase
from infra.components.dns import name_balancer
from infra.components.feed import Feed
from infra.components.functions import Functions
from infra.components.secrets import Secrets
from infra.components.security import API_PORT, GATEWAY_PORT, GATEWAY_TLS_PORT
from infra.components.storage import Storage
from infra.components.tasks import Cluster, Container, TaskArgs, task
from infra.settings import Settings

__all__ = ["Parts", "outputs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts that are shown. ``subnets``, ``smoke_group``: where the task that looks at all runs."""

    name: str
    region: pulumi.Input[str]
    cluster: Cluster
    feed: Feed
    api: Api
    functions: Functions
    storage: Storage
    secrets: Secrets
    database: RdsDatabase | None
    digest: pulumi.Output[str]
    dashboard: pulumi.Input[str]
    subnets: Sequence[pulumi.Input[str]]
    smoke_group: pulumi.Input[str]


def outputs(settings: Settings, parts: Parts) -> dict[str, pulumi.Input[object]]:
    """The outputs of a stack, by name."""
    return {
        **_addresses(settings, parts),
        "imageDigest": parts.digest,
        "cluster": parts.cluster.cluster.name,
        "services": {"feed": parts.feed.service.name, "api": parts.api.service.name},
        "functions": {key: each.name for key, each in parts.functions.functions.items()},
        "bucket": parts.storage.bucket.bucket,
        "apiKeysSecret": parts.secrets.api_keys.arn,
        "gatewayKeysSecret": parts.secrets.gateway_keys.arn,
        "database": parts.database.instance.identifier if parts.database is not None else "",
        "smoke": {"task": _smoke(parts).arn, "subnets": list(parts.subnets), "group": parts.smoke_group},
    }


def _addresses(settings: Settings, parts: Parts) -> dict[str, pulumi.Input[object]]:
    """Where people and programs connect; their names lead there, if there is a domain."""
    page: pulumi.Output[str] = parts.api.balancer.dns_name
    gateway: pulumi.Output[str] = parts.feed.balancer.dns_name
    secure, port = "", GATEWAY_PORT
    if settings.tls:
        zone, domain, below = settings.hosted_zone_id, settings.domain, settings.gateway_domain
        name_balancer(f"{parts.name}-page", zone, domain, parts.api.balancer, parent=parts.api)
        name_balancer(f"{parts.name}-gateway", zone, below, parts.feed.balancer, parent=parts.feed)
        page, gateway = pulumi.Output.from_input(domain), pulumi.Output.from_input(below)
        secure, port = "s", GATEWAY_TLS_PORT
    console = ".console.aws.amazon.com/cloudwatch/home#dashboards:name="
    return {
        "page": pulumi.Output.concat(f"http{secure}://", page),
        "webSocket": pulumi.Output.concat(f"ws{secure}://", page, "/v1/stream"),
        "gateway": pulumi.Output.concat(gateway, f":{port}"),
        "dashboard": pulumi.Output.concat("https://", parts.region, console, parts.dashboard),
        "firstKey": pulumi.Output.concat(
            "DEPTHCAST_KEYS_STORE=secretsmanager DEPTHCAST_KEYS_SECRET_ID=",
            parts.secrets.gateway_keys.arn,
            " depthcast keys create --name desk-1",
        ),
    }


def _smoke(parts: Parts) -> aws.ecs.TaskDefinition:
    """A task that looks at all from within the VPC, and ends. ``make smoke`` runs it."""
    cluster = parts.cluster
    api, feed = f"http://{cluster.address('api')}:{API_PORT}", f"{cluster.address('feed')}:{GATEWAY_PORT}"
    container = Container(
        name="smoke",
        command=["smoke", api, "--gateway", feed, "--timeout", "60"],
        secrets={"DEPTHCAST_KEY": parts.secrets.gateway.arn, "DEPTHCAST_API_KEY": parts.secrets.smoke.arn},
    )
    return task(
        f"{parts.name}-smoke",
        cluster,
        TaskArgs(cpu=256, memory=512, containers=[container], statements=[]),
        parent=cluster,
    )
