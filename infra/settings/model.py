"""Every setting of a stack. ``Pulumi.yaml`` declares the same keys, in camelCase, with the same defaults."""

from dataclasses import dataclass
from typing import Final

__all__ = ["NO_DIGEST", "STAGES", "Settings"]

STAGES: Final = ("dev", "staging", "prod")
NO_DIGEST: Final = "sha256:" + "0" * 64
"""In a stack's file: nothing was promoted to it yet. It may be looked at, but not deployed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A stack as it is to be.

    Attributes:
        stack: its name. Names of resources begin with it.
        stage: which of environments/*.toml the application reads.
        domain: the page's name; the gateway is ``feed.`` and this. Empty: dev only, plain HTTP.
        hosted_zone_id: the zone of Route 53 that the domain is in.
        allowed_cidrs: who may reach the page.
        vpc_cidr: a /16.
        zones: availability zones, 2 or 3.
        nat_gateways: 0, 1, or one a zone.
        interface_endpoints: reach AWS by endpoints in the VPC instead of by a NAT gateway.
        image_digest: which image runs. Empty: built from this checkout (dev only).
        registry_account: whose registry has the image; empty for this account.
        registry_repository: its name there.
        collector_image: of OpenTelemetry, in the same registry; empty for no metrics and traces of our own.
        source: what the feed streams.
        source_secret_arn: a secret with Databento's key, for a source of theirs.
        dataset: of the feed.
        feed_cpu, feed_memory, feed_disk_gib: of its task.
        feed_exposure: internal (the VPC), or public.
        gateway_cidrs: who may subscribe from outside the VPC.
        api_cpu, api_memory: of a task.
        api_min, api_max: tasks.
        api_clients_per_task: streams that a task is meant to have: more of them add tasks.
        anonymous_read: whether who has no key may read.
        waf_requests: of one address in five minutes.
        database_kind: rds, or external: a server that is there, with TimescaleDB or without.
        database_instance, database_storage_gib, database_storage_max_gib: of RDS.
        database_multi_az, database_backup_days: of RDS.
        database_insights: standard, or advanced.
        database_url: of an external one, postgresql://HOST:PORT/NAME.
        database_owner: the role that owns the schemas there.
        database_owner_secret_arn, database_writer_secret_arn, database_reader_secret_arn: passwords there.
        database_tls_root: whose certificates it has, a file of the image.
        functions_concurrency: invocations of ``compact`` at a time.
        journal_days: how long segments are kept; 0 for ever.
        log_days: how long logs are.
        protect: refuse to delete what holds data.
        alarm_email: who is told.
        budget_usd: a month.
    """

    stack: str
    stage: str
    domain: str = ""
    hosted_zone_id: str = ""
    allowed_cidrs: tuple[str, ...] = ()
    vpc_cidr: str = "10.20.0.0/16"
    zones: int = 2
    nat_gateways: int = 1
    interface_endpoints: bool = False
    image_digest: str = ""
    registry_account: str = ""
    registry_repository: str = "depthcast"
    collector_image: str = ""
    source: str = "sim://cme,nasdaq"
    source_secret_arn: str = ""
    dataset: str = "XSIM.MBO"
    feed_cpu: int = 1024
    feed_memory: int = 4096
    feed_disk_gib: int = 30
    feed_exposure: str = "internal"
    gateway_cidrs: tuple[str, ...] = ()
    api_cpu: int = 1024
    api_memory: int = 2048
    api_min: int = 1
    api_max: int = 4
    api_clients_per_task: int = 2000
    anonymous_read: bool = False
    waf_requests: int = 3000
    database_kind: str = "rds"
    database_instance: str = "db.t4g.medium"
    database_storage_gib: int = 50
    database_storage_max_gib: int = 200
    database_multi_az: bool = False
    database_backup_days: int = 7
    database_insights: str = "standard"
    database_url: str = ""
    database_owner: str = "depthcast_owner"
    database_owner_secret_arn: str = ""
    database_writer_secret_arn: str = ""
    database_reader_secret_arn: str = ""
    database_tls_root: str = "/etc/ssl/certs/ca-certificates.crt"
    functions_concurrency: int = 5
    journal_days: int = 0
    log_days: int = 30
    protect: bool = True
    alarm_email: str = ""
    budget_usd: int = 500

    @property
    def tls(self) -> bool:
        """Whether there is a certificate: it takes a domain."""
        return bool(self.domain)

    @property
    def rds(self) -> bool:
        """Whether the database is one of RDS."""
        return self.database_kind == "rds"

    @property
    def gateway_domain(self) -> str:
        """Where subscribers from outside connect, if there is a domain."""
        return f"feed.{self.domain}"

    @property
    def shared_source(self) -> bool:
        """Whether the feed follows another gateway."""
        return self.source.startswith(("live://", "databento://"))
