"""The system of a stack: its parts, in the order in which they are needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from infra.components.alarms import Alarms, AlarmsArgs
from infra.components.api import Api, ApiArgs
from infra.components.budget import Budget, BudgetArgs
from infra.components.collector import API_METRICS, FEED_METRICS, collector, statements
from infra.components.dashboard import Dashboard, DashboardArgs
from infra.components.database import Access, RdsArgs, RdsDatabase, external_access, external_port
from infra.components.dns import Certificate, CertificateArgs
from infra.components.endpoints import Endpoints, EndpointsArgs
from infra.components.feed import Feed, FeedArgs
from infra.components.firewall import Firewall, FirewallArgs
from infra.components.functions import Functions, FunctionsArgs
from infra.components.images import Images, ImagesArgs
from infra.components.keys import Keys, KeysArgs
from infra.components.network import Network, NetworkArgs
from infra.components.roles import Statement, allow
from infra.components.secrets import Secrets, SecretsArgs
from infra.components.security import (
    ADMIN_PORT,
    API_PORT,
    GATEWAY_PORT,
    TRACES_PORT,
    Security,
    SecurityArgs,
)
from infra.components.storage import EXPORTS, JOURNAL, Storage, StorageArgs
from infra.components.tasks import Cluster, ClusterArgs, Container
from infra.outputs import Parts, outputs
from infra.settings import Settings
from infra.sources import source_port, source_statements
from infra.watching import Watched, alarms, graphs

__all__ = ["System", "build"]

_ANYWHERE: Final = ("0.0.0.0/0",)


@dataclass(frozen=True, slots=True)
class System:
    """What was built. ``outputs``: what a person, or the next step of a deployment, needs to know; no
    secrets."""

    outputs: Mapping[str, pulumi.Input[object]]


def build(settings: Settings) -> System:
    """Describe the system of these settings."""
    return _Builder(settings).build()


class _Builder:
    """Holds what several parts need, while they are made."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.name = f"depthcast-{settings.stack}"
        self.namespace = f"Depthcast/{settings.stack}"
        self.account = aws.get_caller_identity_output().account_id
        self.region = aws.get_region_output().region

    def build(self) -> System:
        it = self.settings
        if not it.tls:
            pulumi.warn(
                "no domain: page, API and gateway are plain HTTP and TCP, for "
                f"{', '.join(it.allowed_cidrs)} only. "
                "Keys and data can be read on the way. Only to try it out."
            )
        self._ground()
        self._data()
        access = self._database()
        self._cluster()
        certificate = self._certificate()
        functions = self._functions(access)
        feed = self._feed(certificate)
        api = self._api(certificate, access["reader"], functions, feed)
        Firewall(self.name, FirewallArgs(balancer_arn=api.balancer.arn, requests=it.waf_requests))
        watched = Watched(
            namespace=self.namespace,
            collected=self.images.collector is not None,
            cluster=self.cluster,
            feed=feed,
            api=api,
            functions=functions,
            storage=self.storage,
            database=self.rds,
        )
        dashboard = Dashboard(self.name, DashboardArgs(region=self.region, graphs=graphs(watched)))
        told = Alarms(
            self.name,
            AlarmsArgs(account=self.account, key=self.keys.arn, email=it.alarm_email, alarms=alarms(watched)),
        )
        Budget(
            self.name,
            BudgetArgs(stack=it.stack, usd=it.budget_usd, topic=told.policy.arn),
        )
        parts = Parts(
            name=self.name,
            region=self.region,
            cluster=self.cluster,
            feed=feed,
            api=api,
            functions=functions,
            storage=self.storage,
            secrets=self.secrets,
            database=self.rds,
            digest=self.images.digest,
            dashboard=dashboard.name,
            subnets=[each.id for each in self.network.private],
            smoke_group=self.security.of("smoke"),
        )
        return System(outputs(it, parts))

    def _ground(self) -> None:
        """Network, groups, key, secrets, images."""
        it = self.settings
        zones = aws.get_availability_zones(
            state="available",
            filters=[
                aws.GetAvailabilityZonesFilterArgs(name="opt-in-status", values=["opt-in-not-required"])
            ],
        ).names[: it.zones]
        self.network = Network(
            self.name,
            NetworkArgs(cidr=it.vpc_cidr, region=self.region, zones=zones, nat_gateways=it.nat_gateways),
        )
        inside = (it.vpc_cidr,) if it.feed_exposure == "internal" else ()
        self.security = Security(
            self.name,
            SecurityArgs(
                vpc_id=self.network.vpc.id,
                page_cidrs=it.allowed_cidrs or _ANYWHERE,
                gateway_cidrs=(*inside, *it.gateway_cidrs),
                tls=it.tls,
                database_port=None if it.rds else external_port(it.database_url),
                source_port=source_port(it),
                isolated=it.nat_gateways == 0,
                s3_prefix_list=self.network.s3.prefix_list_id,
            ),
        )
        if it.nat_gateways == 0:
            Endpoints(
                self.name,
                EndpointsArgs(
                    vpc_id=self.network.vpc.id,
                    subnet_ids=[each.id for each in self.network.private],
                    group=self.security.of("endpoints"),
                    region=self.region,
                ),
            )
        self.keys = Keys(self.name, KeysArgs(account=self.account, region=self.region, protect=it.protect))
        self.secrets = Secrets(self.name, SecretsArgs(key=self.keys.arn, protect=it.protect))
        self.images = Images(
            self.name,
            ImagesArgs(
                registry_account=it.registry_account or self.account,
                region=self.region,
                repository=it.registry_repository,
                digest=it.image_digest,
                tag=it.stack,
                collector=it.collector_image,
            ),
        )

    def _data(self) -> None:
        it = self.settings
        self.storage = Storage(
            self.name,
            StorageArgs(
                account=self.account,
                key=self.keys.arn,
                dataset=it.dataset,
                journal_days=it.journal_days,
                log_days=it.log_days,
                protect=it.protect,
            ),
        )

    def _database(self) -> dict[str, Access]:
        """How each role connects."""
        it = self.settings
        self.rds: RdsDatabase | None = None
        if not it.rds:
            url, root = it.database_url, it.database_tls_root
            return {
                "owner": external_access(url, it.database_owner, it.database_owner_secret_arn, root),
                "writer": external_access(url, "depthcast_writer", it.database_writer_secret_arn, root),
                "reader": external_access(url, "depthcast_reader", it.database_reader_secret_arn, root),
            }
        self.rds = rds = RdsDatabase(
            self.name,
            RdsArgs(
                subnet_ids=[each.id for each in self.network.isolated],
                group=self.security.of("database"),
                key=self.keys.arn,
                account=self.account,
                region=self.region,
                instance=it.database_instance,
                storage_gib=it.database_storage_gib,
                storage_max_gib=it.database_storage_max_gib,
                multi_az=it.database_multi_az,
                backup_days=it.database_backup_days,
                insights=it.database_insights,
                protect=it.protect,
            ),
        )
        return {
            "owner": rds.owner_access(),
            "writer": rds.access("depthcast_writer"),
            "reader": rds.access("depthcast_reader"),
        }

    def _cluster(self) -> None:
        self.cluster = Cluster(
            self.name,
            ClusterArgs(
                vpc_id=self.network.vpc.id,
                region=self.region,
                key=self.keys.arn,
                stage=self.settings.stage,
                image=self.images.uri,
                log_days=self.settings.log_days,
            ),
        )
        self.metrics_logs = self.cluster.logs(f"{self.name}-metrics", parent=self.cluster)

    def _certificate(self) -> pulumi.Input[str] | None:
        it = self.settings
        if not it.tls:
            return None
        args = CertificateArgs(domain=it.domain, zone_id=it.hosted_zone_id)
        return Certificate(self.name, args).arn

    def _functions(self, access: Mapping[str, Access]) -> Functions:
        traces = f"http://{self.cluster.address('feed')}:{TRACES_PORT}" if self.images.collector else None
        return Functions(
            self.name,
            self.cluster,
            self.storage,
            FunctionsArgs(
                image=self.images.uri,
                digest=self.images.digest,
                subnets=[each.id for each in self.network.private],
                group=self.security.of("functions"),
                owner=access["owner"],
                writer=access["writer"],
                concurrency=self.settings.functions_concurrency,
                namespace=self.namespace,
                traces=traces,
                after=[self.network, self.security],
            ),
        )

    def _feed(self, certificate: pulumi.Input[str] | None) -> Feed:
        it = self.settings
        secrets: dict[str, pulumi.Input[str]] = {"DEPTHCAST_KEY": self.secrets.gateway.arn}
        if it.source_secret_arn:
            secrets["DATABENTO_API_KEY"] = it.source_secret_arn
        subnets = self.network.public if it.feed_exposure == "public" else self.network.private
        return Feed(
            f"{self.name}-feed",
            self.cluster,
            FeedArgs(
                vpc_id=self.network.vpc.id,
                task_subnets=[each.id for each in self.network.private],
                task_group=self.security.of("feed"),
                balancer_subnets=[each.id for each in subnets],
                balancer_group=self.security.of("gateway"),
                public=it.feed_exposure == "public",
                certificate_arn=certificate,
                source=it.source,
                cpu=it.feed_cpu,
                memory=it.feed_memory,
                disk_gib=it.feed_disk_gib,
                environment={
                    "DEPTHCAST_JOURNAL_STORE": self.storage.journal_url,
                    "DEPTHCAST_KEYS_STORE": "secretsmanager",
                    "DEPTHCAST_KEYS_SECRET_ID": self.secrets.gateway_keys.arn,
                },
                secrets=secrets,
                sidecars=self._collectors("feed", ADMIN_PORT),
                statements=[
                    *self.storage.reads(f"{JOURNAL}/journal"),
                    *self.storage.writes(f"{JOURNAL}/journal"),
                    allow("secretsmanager:GetSecretValue", self.secrets.gateway_keys.arn),
                    *source_statements(it.source),
                    *self._collecting(),
                ],
                protect=it.protect,
                after=[self.network, self.security, self.storage, self.secrets],
            ),
        )

    def _api(
        self, certificate: pulumi.Input[str] | None, reader: Access, functions: Functions, feed: Feed
    ) -> Api:
        it = self.settings
        return Api(
            f"{self.name}-api",
            self.cluster,
            ApiArgs(
                vpc_id=self.network.vpc.id,
                task_subnets=[each.id for each in self.network.private],
                task_group=self.security.of("api"),
                balancer_subnets=[each.id for each in self.network.public],
                balancer_group=self.security.of("balancer"),
                certificate_arn=certificate,
                logs_bucket=self.storage.logs_bucket,
                cpu=it.api_cpu,
                memory=it.api_memory,
                least=it.api_min,
                most=it.api_max,
                clients_per_task=it.api_clients_per_task if self.images.collector else None,
                namespace=self.namespace,
                keys_secret=self.secrets.api_keys.arn,
                environment={
                    **reader.variables,
                    "DEPTHCAST_API_FEEDS": f"{self.cluster.address('feed')}:{GATEWAY_PORT}/{it.dataset}",
                    "DEPTHCAST_API_ANONYMOUS_READ": str(it.anonymous_read).lower(),
                    "DEPTHCAST_API_JOURNAL": self.storage.journal_url,
                    "DEPTHCAST_API_TRUSTED_PROXIES": ",".join(self.network.public_cidrs),
                    "DEPTHCAST_EXPORTS_STORE": self.storage.exports_url,
                },
                secrets={
                    "DEPTHCAST_KEY": self.secrets.gateway.arn,
                    "DEPTHCAST_API_SESSION_SECRET": self.secrets.session.arn,
                },
                sidecars=self._collectors("api", API_PORT),
                statements=[
                    *reader.statements,
                    *self.storage.reads(f"{JOURNAL}/journal"),
                    *self.storage.reads(EXPORTS),
                    *self.storage.writes(EXPORTS, deletes=True),
                    allow("secretsmanager:GetSecretValue", self.secrets.api_keys.arn),
                    *self._collecting(),
                ],
                protect=it.protect,
                after=[
                    self.network,
                    self.security,
                    self.storage,
                    self.secrets,
                    functions.migrated,
                    feed.service,
                ],
            ),
        )

    def _collectors(self, service: str, port: int) -> list[Container]:
        if self.images.collector is None:
            return []
        return [
            collector(
                service,
                port,
                FEED_METRICS if service == "feed" else API_METRICS,
                image=self.images.collector,
                namespace=self.namespace,
                group=self.metrics_logs,
                region=self.region,
                traces=service == "feed",
            )
        ]

    def _collecting(self) -> list[Statement]:
        return statements(self.metrics_logs) if self.images.collector is not None else []
